"""Predictions as a Parquet file, with the columns of the csv format. Needs the `parquet` extra."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from cnncli.errors import OutputError
from cnncli.records.predictions import Record
from cnncli.records.tasks import Task
from cnncli.render.lines import CsvRow, csv_header, rows
from cnncli.text import os_reason

_GROUP_ROWS = 50_000
"""Rows of a row group, which are held in memory; pyarrow recommends tens of thousands upwards."""


@contextmanager
def parquet_writer(
    file: Path | BinaryIO, tasks: Sequence[Task] = (), *, has_exif: bool = False
) -> Iterator[Callable[[Record], None]]:
    """A function that appends a record to the file; complete when the block ends.

    Args:
        file: to write.
        tasks: of the network.
        has_exif: as in a `RecordLayout`.

    Raises:
        OutputError: the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(csv_header(tasks, has_exif=has_exif))
    waiting: list[CsvRow] = []
    with _translate_errors(file):
        writer = pq.ParquetWriter(file, schema)

    def flush() -> None:
        columns = [list(column) for column in zip(*waiting, strict=True)] or [[] for _ in schema.types]
        arrays = [pa.array(column, type_) for column, type_ in zip(columns, schema.types, strict=True)]
        with _translate_errors(file):
            writer.write_table(pa.table(arrays, schema=schema))
        waiting.clear()

    def write(record: Record) -> None:
        waiting.extend(rows(record, tasks, has_exif=has_exif))
        if len(waiting) >= _GROUP_ROWS:
            flush()

    try:
        yield write
        flush()
    finally:
        with _translate_errors(file):
            writer.close()


def join_parquet(parts: Iterable[bytes], file: Path) -> None:
    """Write the rows of several Parquet files to one.

    Args:
        parts: contents of the files, in order; at least one.
        file: to write.

    Raises:
        ValueError: a part is damaged, or has other columns.
        OutputError: the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = (pq.read_table(pa.BufferReader(part)) for part in parts)
    first = next(tables)
    with _translate_errors(file), pq.ParquetWriter(file, first.schema) as writer:
        for table in chain([first], tables):
            writer.write_table(table, _GROUP_ROWS)


def _schema(names: Sequence[str]) -> Any:  # noqa: ANN401 - pyarrow is not typed
    import pyarrow as pa

    types = dict.fromkeys(("rank", "index"), pa.int32())
    types |= dict.fromkeys(("probability", "latitude", "longitude"), pa.float64())
    return pa.schema([(name, types.get(name, pa.string())) for name in names])


@contextmanager
def _translate_errors(file: Path | BinaryIO) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {file}: {os_reason(error)}") from error
