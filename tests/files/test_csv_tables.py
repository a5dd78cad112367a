"""Tables as CSV files."""

import csv
import io
import os
from pathlib import Path

import pytest

from cnncli.files.csv_tables import Table, listed_path


def test_any_path_is_read_back() -> None:
    rows = [("a\rb.jpg", "x"), ("a\nb.jpg", 'y"'), ("a,b\r\n.jpg", ""), ("plain.jpg", "z")]
    stream = io.StringIO(newline="")
    Table("t.csv", ("path", "label"), rows).write(stream)
    assert stream.getvalue().endswith("plain.jpg,z\n")
    assert list(csv.reader(io.StringIO(stream.getvalue(), newline=""))) == [
        ["path", "label"],
        *map(list, rows),
    ]


@pytest.mark.skipif(os.name != "posix", reason="names are Unicode elsewhere")
def test_bytes_that_are_not_utf8_are_percent_encoded_and_read_back(tmp_path: Path) -> None:
    for name in (b"caf\xe9 100%.jpg", b"50%FF.jpg"):
        stream = io.StringIO(newline="")
        Table("t.csv", ("path",), [(os.fsdecode(name),)]).write(stream)
        cell = stream.getvalue().splitlines()[1]
        cell.encode()
        (tmp_path / os.fsdecode(name)).touch()
        assert os.fsencode(listed_path(str(tmp_path), cell)) == os.fsencode(tmp_path) + b"/" + name
