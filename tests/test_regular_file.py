"""Only regular files are opened where a file is meant."""

import os
from pathlib import Path

import pytest

from cnncli.regular_file import (
    Mode,
    NotRegularError,
    bounded_lines,
    contains,
    open_regular,
    open_text,
    read_document,
    read_text,
)


@pytest.mark.parametrize("mode", ["rb", "wb", "ab", "r+b"])
def test_pipes_devices_and_folders_are_not_opened(tmp_path: Path, mode: Mode) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, kind in (
        (tmp_path / "pipe", "a pipe"),
        (Path("/dev/zero"), "a device"),
        (tmp_path, "older|director"),
    ):
        with pytest.raises(OSError, match=kind) as caught:
            open_regular(path, mode)
        assert isinstance(caught.value, NotRegularError | IsADirectoryError)


def test_reading_follows_links_and_writing_does_not(tmp_path: Path) -> None:
    file, link, second = tmp_path / "file", tmp_path / "link", tmp_path / "second"
    file.write_text("content")
    link.symlink_to(file)
    assert read_text(link) == "content"
    written: tuple[Mode, ...] = ("wb", "ab", "r+b")
    for mode in (*written, "xb"):
        with pytest.raises(NotRegularError, match="a link"):
            open_regular(link, mode)
    second.hardlink_to(file)
    for mode in written:
        with pytest.raises(NotRegularError, match="a hard link"):
            open_regular(second, mode)
    assert file.read_text() == "content"


def test_modes_are_those_of_open(tmp_path: Path) -> None:
    file = tmp_path / "file"
    writes: tuple[tuple[Mode, bytes], ...] = (("xb", b"one"), ("ab", b"two"), ("r+b", b"O"))
    for mode, content in writes:
        with open_regular(file, mode) as stream:
            stream.write(content)
    assert file.read_bytes() == b"Onetwo"
    with pytest.raises(FileExistsError):
        open_regular(file, "xb")
    open_regular(file, "wb").close()
    assert file.read_bytes() == b""


def test_documents_have_a_limit(tmp_path: Path) -> None:
    with (tmp_path / "zeros").open("wb") as stream:
        stream.truncate(1 << 34)
    with pytest.raises(OSError, match="larger than 1,000 bytes"):
        read_document(tmp_path / "zeros", 1000)
    (tmp_path / "small").write_bytes(b"\xef\xbb\xbfa\r\nb")
    assert read_text(tmp_path / "small", "utf-8-sig") == "a\nb"


def test_lines_have_a_limit(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("one\ntwo\nlonger\n")
    with open_text(tmp_path / "list") as stream:
        assert list(bounded_lines(stream, 7)) == ["one\n", "two\n", "longer\n"]
    with open_text(tmp_path / "list") as stream, pytest.raises(ValueError, match="line 3 is longer than 5"):
        list(bounded_lines(stream, 5))


@pytest.mark.parametrize("start", [0, 2**20 - 3, 2**20, 2**20 + 1])
def test_a_word_is_found_where_it_lies_across_two_reads(tmp_path: Path, start: int) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(start) + b"word" + bytes(9))
    assert contains(file, b"word")
    assert contains(file, b"d")
    assert not contains(file, b"words")
    file.write_bytes(b"")
    assert not contains(file, b"word")
