"""Lists of paths as tables and on servers; those of lines are tested with the sources."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnncli import remote
from cnncli.errors import InputError
from cnncli.images.path_list import read_paths
from tests.containers import write_parquet
from tests.remote_stores import stores


@pytest.fixture(autouse=True)
def known_stores() -> Iterator[None]:
    with stores():
        yield


def paths(file: Path | str, column: str = "path") -> list[str]:
    entries = read_paths(str(file), io.BytesIO(), separator=b"\n", path_column=column)
    return [entry.path for entry in entries if entry]


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
    file = name if remote.is_url(name) else str(tmp_path / name)
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
