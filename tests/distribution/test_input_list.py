"""Lists divided into ranges of bytes, each with a digest; nothing of it depends on how the list is read."""

import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnncli.distribution import input_list
from cnncli.distribution.input_list import Part, divide, divide_list, is_divisible, read_part, write_list
from cnncli.errors import InputError, UsageError
from cnncli.images.local_file import LocalFile
from cnncli.images.path_list import read_list


def paths(listed: Path, part: Part) -> list[str]:
    return [item.path for item in read_part(str(listed), part, b"\n") if item]


@given(
    lines=st.lists(st.binary(max_size=6).map(lambda line: line.replace(b"\n", b"").replace(b"\0", b""))),
    has_last_end=st.booleans(),
    separator=st.sampled_from([b"\n", b"\0"]),
    size=st.integers(1, 5),
    piece=st.integers(1, 20),
)
def test_the_parts_hold_every_path_once_and_in_order(
    *,
    lines: list[bytes],
    has_last_end: bool,
    separator: bytes,
    size: int,
    piece: int,
) -> None:
    content = separator.join(lines) + (separator if has_last_end else b"")
    pieces = [content[start : start + piece] for start in range(0, len(content), piece)]
    parts = list(divide(pieces, separator, size))
    assert parts == list(divide([content], separator, size))
    whole = [path for path in read_list(io.BytesIO(content), separator=separator) if path]
    read = [
        [path for path in read_list(io.BytesIO(content[part.start : part.stop]), separator=separator) if path]
        for part in parts
    ]
    if (
        not content.startswith((b"\xef\xbb", b"\xff", b"\xfe")) and b"\0" not in content[:4]
    ):  # no byte order mark
        assert [path for part in read for path in part] == whole
        assert [len(part) for part in read] == [part.inputs for part in parts]
    assert all(part.inputs <= size for part in parts)


def test_a_part_whose_lines_have_changed_is_noticed_and_the_others_are_read(tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_bytes(b"a\nb\nc\nd\ne\n")
    first, second, third = divide_list(str(listed), b"\n", 2)
    listed.write_bytes(b"a\nb\nc\nX\ne\n")
    assert paths(listed, first) == ["a", "b"]
    assert paths(listed, third) == ["e"]
    with pytest.raises(InputError, match=r"list.txt has changed since it was planned \(bytes 4 to 8\)"):
        paths(listed, second)


def test_inputs_are_written_as_a_list(tmp_path: Path) -> None:
    listed, names = tmp_path / "list.txt", ["a.jpg", os.fsdecode(b"\xff.jpg"), "c"]
    with listed.open("wb") as stream:
        parts = write_list(map(LocalFile, names), stream, b"\n", 2)
    assert [paths(listed, part) for part in parts] == [names[:2], names[2:]]


@pytest.mark.parametrize("name", ["a\nb", "a\r"])
def test_a_path_with_a_line_end_is_an_error_that_names_the_way_out(name: str) -> None:
    with pytest.raises(InputError, match="holds a line end") as caught:
        write_list([LocalFile(name)], io.BytesIO(), b"\n", 2)
    assert "-print0" in (caught.value.hint or "")
    assert write_list([LocalFile(name)], io.BytesIO(), b"\0", 2)[0].inputs == 1


def test_a_list_without_line_ends_is_no_list(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(b"x" * 100_000)
    with pytest.raises(InputError, match="not a list of paths"):
        divide_list(str(tmp_path / "noise"), b"\n", 2)


def test_too_many_parts_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_list, "MAX_PARTS", 2)
    (tmp_path / "list.txt").write_text("a\nb\nc\n")
    assert len(divide_list(str(tmp_path / "list.txt"), b"\n", 2)) == 2
    with pytest.raises(UsageError, match="more than 2 parts"):
        divide_list(str(tmp_path / "list.txt"), b"\n", 1)


def test_a_list_in_utf_16_or_in_a_pipe_is_not_read_in_ranges(tmp_path: Path) -> None:
    (tmp_path / "wide.txt").write_text("a.jpg\n", encoding="utf-16")
    assert not is_divisible(str(tmp_path / "wide.txt"))
    assert not is_divisible("-")
