"""Every output format has what its row promises, and no ending stands for two formats."""

from collections import Counter
from pathlib import Path

import pytest

from cnncli.render.formats import Format, format_of


@pytest.mark.parametrize("format_", Format)
def test_every_format_is_text_or_has_a_writer(format_: Format) -> None:
    spec = format_.spec
    assert (spec.renderer is None) != (spec.writer is None)
    assert spec.renderer or not spec.reader  # what is resumed is appended to as text
    assert spec.endings or not spec.reader


def test_endings() -> None:
    counts = Counter(ending for format_ in Format for ending in format_.spec.endings)
    assert set(counts.values()) == {1}
    assert format_of(Path("a/ANSWERS.CSV")) is Format.CSV
    assert format_of(Path("answers")) is Format.TSV
    assert format_of(Path("answers.xlsx")) is None


def test_members_are_their_names() -> None:
    assert [str(format_) for format_ in Format] == [format_.value for format_ in Format]
    assert (str(Format.TSV), f"{Format.CSV}") == ("tsv", "csv")
