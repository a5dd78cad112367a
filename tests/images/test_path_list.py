"""Lists of paths: lines in any encoding, from files and pipes, columns of tables, on servers."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnncli import remote
from cnncli.errors import InputError
from cnncli.images.path_list import open_list, read_list, read_paths
from cnncli.text import is_url
from tests.containers import write_parquet
from tests.remote_stores import stores


@pytest.fixture(autouse=True)
def known_stores() -> Iterator[None]:
    with stores():
        yield


def paths(file: Path | str, column: str = "path") -> list[str]:
    return [path for path in read_paths(str(file), io.BytesIO(), separator=b"\n", path_column=column) if path]


def test_a_column_of_a_table_has_the_paths(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,path\n1,a.jpg\n2,\n3,s3://bucket/b.jpg\n")
    (tmp_path / "a.TSV").write_bytes("path\tid\r\ndéjà vu.jpg\t1\r\n".encode("utf-16"))
    write_parquet(tmp_path / "a.parquet", {"path": ["a.jpg", None, "x.tar/b.jpg"], "n": [1, 2, 3]})
    assert paths(tmp_path / "a.csv") == ["a.jpg", "s3://bucket/b.jpg"]
    assert paths(tmp_path / "a.csv", "id") == ["1", "2", "3"]
    assert paths(tmp_path / "a.TSV") == ["déjà vu.jpg"]
    assert paths(tmp_path / "a.parquet") == ["a.jpg", "x.tar/b.jpg"]


def test_lists_on_servers(tmp_path: Path) -> None:
    remote.write("memory://b/list.txt", b"a.jpg\nb.jpg\n" * 20_000, overwrite=True)
    remote.write("memory://b/list.csv", b"path\nc.jpg\n", overwrite=True)
    file = write_parquet(tmp_path / "a.parquet", {"path": ["d.jpg"]})
    remote.write("memory://b/list.parquet", file.read_bytes(), overwrite=True)
    assert paths("memory://b/list.txt") == ["a.jpg", "b.jpg"] * 20_000
    assert paths("memory://b/list.csv") == ["c.jpg"]
    assert paths("memory://b/list.parquet") == ["d.jpg"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (
            "a.csv",
            b"name,label\nx,y\n",
            "no column 'path'; its first line has 'name', 'label' (--path-column)",
        ),
        ("a.csv", b"", "no column 'path'; its first line has nothing (--path-column)"),
        ("a.csv", b'path\n"a\n', "not valid CSV: unexpected end of data"),
        ("a.parquet", b"nothing", "not a Parquet file, or a damaged one"),
        ("a.txt", b"\0" * 70_000, "this is not a list of paths"),
        ("none.csv", None, "no such file"),
        ("memory://b/none.csv", None, "no such file"),
        ("memory://b/none.txt", None, "no such file"),
    ],
)
def test_what_is_no_list_is_one_line(tmp_path: Path, name: str, content: bytes | None, reason: str) -> None:
    file = name if is_url(name) else str(tmp_path / name)
    if content is not None:
        Path(file).write_bytes(content)
    with pytest.raises(InputError) as caught:
        paths(file)
    assert reason in caught.value.message
    assert "\n" not in caught.value.message


def test_numbers_are_no_paths(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "a.parquet", {"path": [1, 2]})
    with pytest.raises(InputError, match="its column 'path' holds no paths"):
        paths(file)


def test_lists_are_taken_literally() -> None:
    text = b"a.jpg\r\n\n*.jpg\n with spaces \ncaf\xe9.jpg\nlast"
    actual = list(read_list(io.BytesIO(text)))
    assert actual == ["a.jpg", "*.jpg", " with spaces ", "caf\udce9.jpg", "last"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_lists_in_the_encodings_of_windows(encoding: str, tmp_path: Path) -> None:
    text = "a.jpg\r\ndéjà vu.jpg\r\n"
    content = text.encode(encoding)
    assert list(read_list(io.BytesIO(content))) == ["a.jpg", "déjà vu.jpg"]
    (tmp_path / "list.txt").write_bytes(content)
    with open_list(str(tmp_path / "list.txt"), io.BytesIO()) as stream:
        assert list(read_list(stream)) == ["a.jpg", "déjà vu.jpg"]


@pytest.mark.slow
def test_a_list_on_a_slow_pipe_may_begin_with_a_byte_order_mark() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream:
        entries = read_list(stream)
        actual = []
        for byte in "\ufeffa.jpg\n".encode("utf-16-le"):
            os.write(writing, bytes([byte]))
            actual.append(next(entries))
        os.close(writing)
        assert [entry for entry in (*actual, *entries) if entry] == ["a.jpg"]


def test_null_separated_lists_may_hold_newlines() -> None:
    actual = list(read_list(io.BytesIO(b"a\nb.jpg\0c\r\0"), separator=b"\0"))
    assert actual == ["a\nb.jpg", "c\r"]


def test_a_silent_pipe_is_reported() -> None:
    read, write = os.pipe()
    with os.fdopen(read, "rb") as stream:
        os.write(write, b"a.jpg\nb.j")
        words = read_list(stream)
        assert [next(words), next(words)] == ["a.jpg", None]
        os.write(write, b"pg\n")
        assert next(word for word in words if word) == "b.jpg"
        os.close(write)
        assert list(words) == []


def test_a_long_list_in_a_file(tmp_path: Path) -> None:
    names = [f"{'x' * (i % 300)}{i}.jpg" for i in range(3000)]
    (tmp_path / "list").write_text("\n".join(names))
    with open_list(str(tmp_path / "list"), io.BytesIO()) as stream:
        assert list(read_list(stream)) == names


def test_a_list_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the list"):
        open_list(str(tmp_path / "none"), io.BytesIO())
