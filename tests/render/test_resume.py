"""Which inputs a torn file already has a record for, byte by byte, and what must not be resumed."""

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncli.errors import OutputError
from cnncli.images.local_file import LocalFile
from cnncli.records.predictions import Prediction, Record, RecordLayout, Score, Unreadable
from cnncli.render.formats import Format
from cnncli.render.lines import Renderer
from cnncli.render.resume import Lines, RecordReader, skip_complete
from tests.render.test_lines import (
    BOTH,
    CAT,
    CAT_BY_DAY,
    NEITHER,
    NOTHING_BY_NIGHT,
    PLAIN,
    SEVERAL,
    both_records,
    records,
    several_records,
)

RESUMABLE = [Format.TSV, Format.CSV, Format.JSONL]
SHOWN: list[Record] = [
    Prediction(LocalFile('a, "b".jpg'), (Score(1, "x", 0.6), Score(2, "y", 0.4))),
    Unreadable("new\nline.jpg", 'no, "really"'),
    Prediction(LocalFile("new\nline 2.jpg"), (Score(1, "x\ny", 0.6), Score(None, "unknown", 0.4))),
    Prediction(LocalFile("carriage\r\nreturn.jpg"), (Score(1, "x\r\n", 0.6), Score(2, "y", 0.4))),
    Prediction(LocalFile("caf\udce9.jpg"), (Score(1, "x", 0.6), Score(2, "y", 0.4))),
]


def renderer_of(format_: Format, layout: RecordLayout = PLAIN) -> Renderer:
    assert format_.spec.renderer
    return format_.spec.renderer(layout)


def reader_of(format_: Format) -> RecordReader:
    assert format_.spec.reader
    return format_.spec.reader()


def rendered(format_: Format, shown: Sequence[Record], layout: RecordLayout = PLAIN) -> bytes:
    renderer = renderer_of(format_, layout)
    return (renderer.begin() + "".join(map(renderer.record, shown))).encode()


@pytest.mark.parametrize("format_", RESUMABLE)
def test_a_file_torn_at_any_byte_keeps_its_whole_records(format_: Format) -> None:
    whole = rendered(format_, SHOWN)
    ends = [len(rendered(format_, SHOWN[:count])) for count in range(len(SHOWN) + 1)]
    for cut in range(len(whole) + 1):
        actual = list(reader_of(format_).read(Lines(io.BytesIO(whole[:cut])), PLAIN))
        expected = sum(end <= cut for end in ends[1:])
        assert len(actual) == expected, cut
        assert [entry.end for entry in actual] == ends[1 : expected + 1]
        assert [entry.is_unreadable for entry in actual] == [
            isinstance(r, Unreadable) for r in SHOWN[:expected]
        ]


@pytest.mark.parametrize(
    ("layout", "shown"),
    [
        (SEVERAL, (NEITHER, NEITHER, CAT, CAT, Unreadable("c.jpg", "x"), NEITHER)),
        (BOTH, (CAT_BY_DAY, NOTHING_BY_NIGHT, Unreadable("c.jpg", "x"), CAT_BY_DAY, CAT_BY_DAY)),
    ],
)
def test_where_the_rows_of_an_image_vary_the_last_one_counts_once_another_follows(
    layout: RecordLayout, shown: Sequence[Record]
) -> None:
    for count in range(len(shown) + 1):
        text = rendered(Format.CSV, shown[:count], layout)
        actual = list(reader_of(Format.CSV).read(Lines(io.BytesIO(text)), layout))
        certain = count - (count > 0 and isinstance(shown[count - 1], Prediction))
        assert [entry.path for entry in actual] == [record.path for record in shown[:certain]]
        assert [entry.end for entry in actual] == [
            len(rendered(Format.CSV, shown[: number + 1], layout)) for number in range(certain)
        ]


LAYOUTS = [(PLAIN, records), (SEVERAL, several_records), (BOTH, both_records)]


@given(st.sampled_from(LAYOUTS), st.sampled_from(RESUMABLE), st.data())
@settings(deadline=None, max_examples=150)
def test_resuming_any_torn_file_gives_the_complete_file(
    case: tuple[RecordLayout, st.SearchStrategy[Record]], format_: Format, data: st.DataObject
) -> None:
    import tempfile

    layout, own_records = case
    shown = data.draw(st.lists(own_records, max_size=6))
    whole = rendered(format_, shown, layout)
    cut = data.draw(st.integers(0, len(whole)))
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "out.part"
        part.write_bytes(whole[:cut])
        inputs = (record.source if isinstance(record, Prediction) else record for record in shown)
        done = skip_complete(inputs, part, reader_of(format_), layout)
        rest = list(inputs)
        assert len(rest) == len(shown) - done.records
        renderer = renderer_of(format_, layout)
        head = whole[: done.end] or renderer.begin().encode()
        assert head + "".join(map(renderer.record, shown[done.records :])).encode() == whole


@pytest.mark.parametrize("now", [["a.jpg", "other.jpg"], ["a.jpg"], ["b.jpg", "a.jpg"]])
def test_other_inputs_are_refused(tmp_path: Path, now: list[str]) -> None:
    part = tmp_path / "o.part"
    part.write_bytes(rendered(Format.TSV, [Unreadable(name, "x") for name in ("a.jpg", "b.jpg")]))
    with pytest.raises(OutputError, match="cannot resume"):
        skip_complete(map(LocalFile, now), part, reader_of(Format.TSV), PLAIN)


def test_pauses_in_a_list_are_not_inputs(tmp_path: Path) -> None:
    part = tmp_path / "o.part"
    part.write_bytes(b"a.jpg\tx\t0.5\n")
    inputs = iter([None, LocalFile("a.jpg"), None, LocalFile("b.jpg")])
    assert skip_complete(inputs, part, reader_of(Format.TSV), PLAIN).records == 1
    assert list(inputs) == [None, LocalFile("b.jpg")]


@pytest.mark.parametrize(
    ("format_", "content"),
    [(Format.TSV, b"a.jpg\t-\t\r\n"), (Format.CSV, b"path,status\r\na.jpg,unreadable,,,,,x\r\n")],
)
def test_files_of_other_programs_are_refused(tmp_path: Path, format_: Format, content: bytes) -> None:
    part = tmp_path / "o.part"
    part.write_bytes(content)
    with pytest.raises(OutputError, match="damaged after record 0"):
        skip_complete(iter([LocalFile("a.jpg")]), part, reader_of(format_), PLAIN)


@pytest.mark.parametrize("format_", RESUMABLE)
def test_a_file_damaged_before_its_end_is_refused(tmp_path: Path, format_: Format) -> None:
    part = tmp_path / "o.part"
    whole = rendered(format_, SHOWN)
    second = len(rendered(format_, SHOWN[:1]))
    third = len(rendered(format_, SHOWN[:2]))
    part.write_bytes(whole[:second] + b"\0" * (third - second - 1) + b"\n" + whole[third:])
    inputs = iter([record.source if isinstance(record, Prediction) else record for record in SHOWN])
    with pytest.raises(OutputError, match=f"damaged after record 1 .byte {second}.|its record 2 is of"):
        skip_complete(inputs, part, reader_of(format_), PLAIN)
