"""Images in Parquet files, as Hugging Face's data sets have them: a column of bytes, or of structures with bytes and a path.

The rows of a file are read in blocks, and the last blocks are kept, so that rows that are read one after the other cost little.
A row anywhere else costs reading its row group up to it; Hugging Face writes row groups of 100 images.
"""

import functools
import io
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import accumulate, islice
from typing import BinaryIO

from cnncli.dataclass import frozen_dataclass
from cnncli.images.container import container_stamp, reason
from cnncli.images.parquet_file import as_damage, choose_column, find_column, is_structure, open_parquet
from cnncli.records.predictions import ImageSource, Stamp, Unreadable, UnreadableError
from cnncli.text import is_url

_BLOCK, _FILES = 16, 16
"""Rows of a block, and files that are kept open."""

_KEPT = 16 << 20
"""Bytes of images that are kept of each file; at least one block is."""


@frozen_dataclass
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


class _Column:
    """The images of a file. Thread-safe."""

    def __init__(self, file: str, column: str | None) -> None:
        """Open a file.

        Raises:
            OSError: it cannot be opened.
            UnreadableError: it is no Parquet file, or has no such column of images.
        """
        self._parquet = open_parquet(file)
        self.name = choose_column(self._parquet.schema_arrow, column)
        self.is_usual = self.name == find_column(self._parquet.schema_arrow)
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
                with as_damage():
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
            for value in values.field("bytes") if is_structure(values.type) else values:
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
