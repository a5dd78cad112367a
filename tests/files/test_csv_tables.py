"""Tables as CSV files."""

import csv
import io

from cnncli.files.csv_tables import Table


def test_any_path_is_read_back() -> None:
    rows = [("a\rb.jpg", "x"), ("a\nb.jpg", 'y"'), ("a,b\r\n.jpg", ""), ("plain.jpg", "z")]
    stream = io.StringIO(newline="")
    Table("t.csv", ("path", "label"), rows).write(stream)
    assert stream.getvalue().endswith("plain.jpg,z\n")
    assert list(csv.reader(io.StringIO(stream.getvalue(), newline=""))) == [
        ["path", "label"],
        *map(list, rows),
    ]
