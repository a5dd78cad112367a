"""Images in Parquet files, as Hugging Face's data sets have them: a column of bytes, or of structures with bytes and a path.

The rows of a file are read in blocks, and the last blocks are kept, so that rows that are read one after the other cost little.
A row anywhere else costs reading its row group up to it; Hugging Face writes row groups of 100 images.
"""

import contextlib
import functools
import importlib.util
import io
import os
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Any, BinaryIO

from cnncli.errors import MissingPackageError
from cnncli.images.container import container_stamp, open_container, reason
from cnncli.records.predictions import ImageSource, Stamp, Unreadable, UnreadableError
from cnncli.text import first_line, install_command, is_url, parse_json

ENDING = ".parquet"

_USUAL = ("image", "img")
"""Columns that hold the images where several could."""

_BLOCK, _FILES = 16, 16
"""Rows of a block, and files that are kept open."""

_KEPT = 16 << 20
"""Bytes of images that are kept of each file; at least one block is."""

_LARGE = 256 << 20
"""Bytes of a row group from which reading its rows in any order is slow."""


def is_parquet(name: str) -> bool:
    """Whether a name is that of a Parquet file."""
    return name.lower().endswith(ENDING)


def require_pyarrow() -> None:
    """Raise MissingPackageError if pyarrow, which reads Parquet, is not installed."""
    if importlib.util.find_spec("pyarrow") is None:
        raise MissingPackageError("Parquet needs the package pyarrow", install_command("cnncli[parquet]"))


@dataclass(frozen=True, slots=True)
class ParquetImage(ImageSource):
    """An image in a Parquet file; its path is that of the file, a slash, and its row, counted from 0.

    Where the column is not the one that would be taken without its name, that is between the two: `a.parquet/photo/17`.

    Attributes:
        file: path or URL of the file.
        column: with the images; None to find it.
        row: number of the row.
    """

    file: str
    column: str | None
    row: int

    @property
    def is_remote(self) -> bool:
        """Whether the file is on a server."""
        return is_url(self.file)

    def open(self) -> BinaryIO:
        """The bytes in its row."""
        return io.BytesIO(self._content())

    def stamp(self) -> Stamp | None:
        """The image's size and the times of the file; its row has to be read for that."""
        whole = container_stamp(self.file)
        try:
            return Stamp(len(self._content()), whole.modified, whole.changed) if whole else None
        except (OSError, UnreadableError):
            return None

    def _content(self) -> bytes:
        return _column(self.file, self.column).value(self.row)


def parquet_image(file: str, place: str) -> ParquetImage | None:
    """The image at a place in a file, `17` or `photo/17`; None where that is no place."""
    column, _, row = place.rpartition("/")
    return ParquetImage(f"{file}/{place}", file, column or None, int(row)) if row.isdecimal() else None


def walk_parquet(file: str, column: str | None = None) -> Iterator[ImageSource | Unreadable]:
    """The images in a file, in its order; if it cannot be read, one reason.

    Args:
        file: path or URL.
        column: with the images; None to find it.
    """
    try:
        reader = _column(file, column)
    except (OSError, UnreadableError) as error:
        yield Unreadable(file, reason(error))
        return
    folder = file if reader.is_usual else f"{file}/{reader.name}"
    for row in range(reader.rows):
        yield ParquetImage(f"{folder}/{row}", file, column, row)


def read_column(file: str, column: str) -> Iterator[Any]:
    """The values of a column, in order.

    Raises:
        OSError: the file cannot be opened.
        UnreadableError: it is damaged, or has no such column.
    """
    parquet = _open_parquet(file)
    _require_column(parquet.schema_arrow.names, column)
    with _as_damage():
        for batch in parquet.iter_batches(columns=[column]):
            yield from batch.column(0).to_pylist()


def column_names(file: str) -> list[str]:
    """The names of a file's columns.

    Raises:
        OSError: it cannot be opened.
        UnreadableError: it is no Parquet file.
    """
    return list(_open_parquet(file).schema_arrow.names)


def is_slow_in_any_order(file: str) -> bool:
    """Whether the rows of a file are in such large groups that reading one of them takes long.

    Raises:
        OSError: it cannot be opened.
        UnreadableError: it is no Parquet file.
    """
    metadata = _open_parquet(file).metadata
    return any(metadata.row_group(group).total_byte_size > _LARGE for group in range(metadata.num_row_groups))


def holds_images(file: str) -> bool:
    """Whether a file has a column of bytes.

    Raises:
        OSError: it cannot be opened.
        UnreadableError: it is no Parquet file.
    """
    return any(_holds_bytes(field.type) for field in _open_parquet(file).schema_arrow)


def read_rows(file: str, columns: Sequence[str]) -> Iterator[dict[str, str | None]]:
    """The texts in some columns, row by row; numbers of classes become their names, as Hugging Face's data sets record them.

    Raises:
        OSError: the file cannot be read.
        UnreadableError: it is damaged, or has no such column.
    """
    parquet = _open_parquet(file)
    for column in columns:
        _require_column(parquet.schema_arrow.names, column)
    names = {column: _class_names(parquet.schema_arrow, column) for column in columns}
    with _as_damage():
        for batch in parquet.iter_batches(columns=list(columns)):
            for row in batch.to_pylist():
                yield {column: _label(row[column], names[column]) for column in columns}


def _label(value: Any, names: Sequence[str]) -> str | None:  # noqa: ANN401 - any value of a table
    if isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    return None if value is None else str(value)


def _class_names(schema: Any, column: str) -> Sequence[str]:  # noqa: ANN401 - pyarrow is not typed
    """The names of the classes in a column, if the file records them."""
    try:
        features = parse_json((schema.metadata or {}).get(b"huggingface", b""))["info"]["features"]
        return [str(name) for name in features[column]["names"]]
    except (ValueError, LookupError, TypeError):
        return ()


class _Column:
    """The images of a file. Thread-safe."""

    def __init__(self, file: str, column: str | None) -> None:
        """Open a file.

        Raises:
            OSError: it cannot be opened.
            UnreadableError: it is no Parquet file, or has no such column of images.
        """
        self._parquet = _open_parquet(file)
        usual = _find_column(self._parquet.schema_arrow)
        self.name = _choose_column(self._parquet.schema_arrow, column, usual)
        self.is_usual = self.name == usual
        groups = self._parquet.metadata.num_row_groups
        sizes = (int(self._parquet.metadata.row_group(group).num_rows) for group in range(groups))
        self._starts: list[int] = list(accumulate(sizes, initial=0))
        self._kept: OrderedDict[tuple[int, int], Sequence[bytes | None]] = OrderedDict()
        self._values: Iterator[bytes | None] = iter(())
        self._group, self._next, self._bytes = -1, 0, 0
        self._lock = threading.Lock()

    @property
    def rows(self) -> int:
        """Number of images."""
        return self._starts[-1]

    def value(self, row: int) -> bytes:
        """The bytes in a row.

        Raises:
            OSError: the file cannot be read.
            UnreadableError: there are none.
        """
        if not 0 <= row < self.rows:
            raise UnreadableError(f"no such row: the file has {self.rows:,}")
        group = bisect_right(self._starts, row) - 1
        block, place = divmod(row - self._starts[group], _BLOCK)
        with self._lock:
            content = self._block(group, block)[place]
        if not content:
            raise UnreadableError("no bytes in this row")
        return content

    def _block(self, group: int, block: int) -> Sequence[bytes | None]:
        """A block of a row group; blocks before it are passed over, and the row group is started again to go back."""
        if (group, block) not in self._kept:
            if group != self._group or block < self._next:
                self._values, self._group, self._next = self._read(group), group, 0
            for number in range(self._next, block + 1):
                self._group = -1  # unless it can be read
                with _as_damage():
                    self._keep((group, number), list(islice(self._values, _BLOCK)))
                self._group, self._next = group, number + 1
        self._kept.move_to_end((group, block))
        return self._kept[group, block]

    def _keep(self, key: tuple[int, int], block: Sequence[bytes | None]) -> None:
        """Keep a block, and forget those that have not been used for longest."""
        self._bytes += _size(block) - _size(self._kept.pop(key, ()))
        self._kept[key] = block
        while self._bytes > _KEPT and len(self._kept) > 1:
            self._bytes -= _size(self._kept.popitem(last=False)[1])

    def _read(self, group: int) -> Iterator[bytes | None]:
        for batch in self._parquet.iter_batches(
            _BLOCK, row_groups=[group], columns=[self.name], use_threads=False
        ):
            (values,) = batch.columns
            for value in values.field("bytes") if _is_structure(values.type) else values:
                yield value.as_py()


def _size(block: Sequence[bytes | None]) -> int:
    return sum(len(content or b"") for content in block)


def _column(file: str, column: str | None) -> _Column:
    with _LOCK:
        return _open_column(file, column, container_stamp(file))


_LOCK = threading.Lock()
"""Held while a file is opened, so that each is opened once."""


@functools.lru_cache(maxsize=_FILES)
def _open_column(file: str, column: str | None, _: Stamp | None) -> _Column:
    """A column of a file with a stamp."""
    return _Column(file, column)


def _open_parquet(file: str) -> Any:  # noqa: ANN401 - pyarrow is not typed
    require_pyarrow()
    import pyarrow as pa
    import pyarrow.parquet as pq

    stream: Any = open_container(file)
    if not is_url(file):  # a regular file, which pyarrow reads faster itself
        stream.close()
        stream = pa.OSFile(os.fsencode(file))
    with _as_damage():
        return pq.ParquetFile(stream, pre_buffer=False)


@contextlib.contextmanager
def _as_damage() -> Iterator[None]:
    """Turn pyarrow's errors about the content of a file into an UnreadableError."""
    try:
        yield
    except (ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the system, or of a server
            raise
        raise UnreadableError(f"not a Parquet file, or a damaged one: {first_line(error)}") from error


# ---- which column


def _find_column(schema: Any) -> str | None:  # noqa: ANN401 - pyarrow is not typed
    """The column of images: the only one with bytes, or the one with a usual name."""
    names = [field.name for field in schema if _holds_bytes(field.type)]
    usual = [name for name in _USUAL if name in names]
    return usual[0] if usual else names[0] if len(names) == 1 else None


def _choose_column(schema: Any, column: str | None, usual: str | None) -> str:  # noqa: ANN401 - as above
    if column is None:
        if usual is None:
            names = [field.name for field in schema if _holds_bytes(field.type)]
            reason = (
                f"several columns of bytes: {_listed(names)}"
                if names
                else f"no column of bytes; {_columns(schema.names)}"
            )
            raise UnreadableError(f"{reason} (--image-column)")
        return usual
    _require_column(schema.names, column)
    if not _holds_bytes(schema.field(column).type):
        raise UnreadableError(
            f"its column {column!r} holds {schema.field(column).type}, not the bytes of images"
        )
    return column


def _require_column(names: Sequence[str], column: str) -> None:
    if column not in names:
        raise UnreadableError(f"no column {column!r}; {_columns(names)}")


def _columns(names: Sequence[str]) -> str:
    return f"it has {_listed(names)}" if names else "it has no columns"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name[:40]) for name in names[:8])


def _is_structure(kind: Any) -> bool:  # noqa: ANN401 - pyarrow is not typed
    import pyarrow as pa

    return bool(pa.types.is_struct(kind))


def _holds_bytes(kind: Any) -> bool:  # noqa: ANN401 - pyarrow is not typed
    """Whether values of a type are bytes, or structures with a field `bytes`."""
    import pyarrow as pa

    if _is_structure(kind):
        index = kind.get_field_index("bytes")
        return index >= 0 and _holds_bytes(kind.field(index).type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
