"""Embedding files: NPZ, NPY with a CSV beside it, CSV, or Parquet; written shard by shard, so memory does not grow with their number."""

import importlib.util
import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import MissingPackageError, OutputError
from cnncli.files.shards import Shard
from cnncli.files.whole import whole_file
from cnncli.records.features import Vectors
from cnncli.records.predictions import OK, UNREADABLE, Unreadable
from cnncli.text import csv_row, install_command, is_percent_encoded, os_reason, path_text

TABLE = ".csv"
"""The ending of the table beside an NPY, which has the paths of its rows."""

ENDINGS = (".npz", ".npy", ".csv", ".parquet")
"""Of the formats; `files.stored_vectors` reads them all."""

FEATURE = "e"
"""What the names of the columns of a CSV with embeddings begin with: e0, e1, …"""

CSV_HEADER = ("path", "status", "row", "reason")

Shards = Callable[[], Iterable[Shard]]
"""Returns the shards in order, each time it is called."""


@frozen_dataclass
class EmbeddingFile:
    """The content of an embedding file.

    Attributes:
        shards: with the inputs and their vectors.
        card: of the network, as JSON.
        layer: that the vectors come from.
        identity: everything that the vectors depend on apart from the images, as JSON.
    """

    shards: Shards
    card: str
    layer: str
    identity: str


@frozen_dataclass
class _Extent:
    """What is known about all shards together.

    Attributes:
        shape: (N, D) of all vectors.
        paths: of the N images, as text.
        encoded: rows whose path is percent-encoded.
        unreadable: inputs without a vector.
    """

    shape: tuple[int, int]
    paths: list[str]
    encoded: list[int]
    unreadable: list[Unreadable]


def require_package(file: Path) -> None:
    """Check that the package that a file's format needs is installed.

    Raises:
        MissingPackageError: it is not.
    """
    if file.suffix.lower() == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise MissingPackageError("Parquet needs the package pyarrow", install_command("cnncli[parquet]"))


def save_vectors(content: EmbeddingFile, file: Path, *, overwrite: bool) -> None:
    """Write the content in the format of the file's ending.

    Args:
        content: the embeddings.
        file: to write; an .npy has a table beside it.
        overwrite: whether files of these names are replaced, even ones that appear only now.

    Raises:
        OutputError: it cannot be written, or a file exists by now and must not be replaced.
    """
    write = {".npz": _npz, ".npy": _npy, ".csv": _csv, ".parquet": _parquet}[file.suffix.lower()]
    try:
        with whole_file(file, overwrite=overwrite) as draft:
            write(content, draft)
            if write is _npy:
                _npy_table(content, file.with_suffix(TABLE), overwrite=overwrite)
    except OSError as error:
        raise OutputError(f"cannot write {file}: {os_reason(error)}") from error


def _extent(shards: Iterable[Shard]) -> _Extent:
    paths: list[str] = []
    encoded: list[int] = []
    unreadable: list[Unreadable] = []
    width = 0
    for shard in shards:
        encoded += [
            row for row, path in enumerate(shard.embedded_paths, len(paths)) if is_percent_encoded(path)
        ]
        paths += map(path_text, shard.embedded_paths)
        unreadable += shard.unreadable
        width = width or shard.vectors.shape[1]
    return _Extent((len(paths), width), paths, encoded, unreadable)


def _rows(shards: Iterable[Shard]) -> Iterator[Vectors]:
    """The vectors of each shard that has any."""
    return (shard.vectors for shard in shards if len(shard.vectors))


# ---- NumPy


def _npz(content: EmbeddingFile, draft: Path) -> None:
    extent = _extent(content.shards())
    with zipfile.ZipFile(draft, "w") as archive:
        with archive.open("embeddings.npy", "w", force_zip64=True) as stream:
            _write_array(stream, extent.shape, content.shards())
        for name, array in (
            ("paths", _texts(extent.paths)),
            ("encoded", np.array(extent.encoded, np.int64)),
            ("unreadable", _texts([path_text(item.path) for item in extent.unreadable])),
            ("reasons", _texts([item.reason for item in extent.unreadable])),
            ("card", np.array(content.card)),
            ("layer", np.array(content.layer)),
            ("identity", np.array(content.identity)),
        ):
            buffer = io.BytesIO()
            np.save(buffer, array)
            archive.writestr(f"{name}.npy", buffer.getvalue(), zipfile.ZIP_DEFLATED)


def _texts(texts: Sequence[str]) -> "np.ndarray[tuple[int, ...], np.dtype[np.str_]]":
    return np.array(texts, np.str_) if texts else np.empty(0, "U1")


def _write_array(stream: IO[bytes], shape: tuple[int, int], shards: Iterable[Shard]) -> None:
    """Write an array as `numpy.save` does, without holding all of it in memory."""
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype("<f4")), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    for rows in _rows(shards):
        stream.write(np.ascontiguousarray(rows, "<f4").tobytes())


def _npy(content: EmbeddingFile, draft: Path) -> None:
    extent = _extent(content.shards())
    with draft.open("wb") as stream:
        _write_array(stream, extent.shape, content.shards())


def _npy_table(content: EmbeddingFile, file: Path, *, overwrite: bool) -> None:
    with (
        whole_file(file, overwrite=overwrite) as draft,
        draft.open("w", encoding="utf-8", newline="") as lines,
    ):
        lines.write(csv_row(CSV_HEADER))
        lines.writelines(map(csv_row, _csv_rows(content.shards())))


def _csv_rows(shards: Iterable[Shard]) -> Iterator[tuple[str, str, str, str]]:
    """One row per input, in input order."""
    row = 0
    for shard in shards:
        for path, reason in zip(shard.paths, shard.reasons, strict=True):
            if reason:
                yield path_text(path), UNREADABLE, "", reason
                continue
            yield path_text(path), OK, str(row), ""
            row += 1


def _csv(content: EmbeddingFile, draft: Path) -> None:
    """One row per input; the numbers are the shortest ones that give the same float32 again."""
    width = _extent(content.shards()).shape[1]
    with draft.open("w", encoding="utf-8", newline="") as lines:
        lines.write(csv_row(["path", "status", "reason", *(f"{FEATURE}{column}" for column in range(width))]))
        for shard in content.shards():
            vectors = iter(shard.vectors)
            for path, reason in zip(shard.paths, shard.reasons, strict=True):
                numbers = [""] * width if reason else map(str, next(vectors))
                lines.write(csv_row([path_text(path), UNREADABLE if reason else OK, reason, *numbers]))


# ---- Parquet


def _parquet(content: EmbeddingFile, draft: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    width = _extent(content.shards()).shape[1]
    vector = pa.list_(pa.float32(), width or 1)
    fields = [("path", pa.string()), ("status", pa.string()), ("embedding", vector), ("reason", pa.string())]
    schema = pa.schema(
        fields, metadata={"card": content.card, "layer": content.layer, "identity": content.identity}
    )
    with pq.ParquetWriter(draft, schema) as writer:
        for shard in content.shards():
            rows = iter(shard.vectors.tolist())
            columns = [
                [path_text(path) for path in shard.paths],
                [UNREADABLE if reason else OK for reason in shard.reasons],
                [None if reason else next(rows) for reason in shard.reasons],
                [reason or None for reason in shard.reasons],
            ]
            arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
            writer.write_table(pa.table(arrays, schema=schema))
