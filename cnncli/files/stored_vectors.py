"""Reading embedding files in every format that `files.vectors` writes; damaged and malicious ones are refused."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import InputError
from cnncli.files.csv_tables import listed_path
from cnncli.files.npz import open_npz
from cnncli.files.vectors import ENDINGS, FEATURE, TABLE, require_package
from cnncli.files.zip_sizes import require_modest
from cnncli.records.features import Vectors
from cnncli.records.predictions import OK
from cnncli.regular_file import bounded_lines, open_regular, open_text
from cnncli.text import parse_json, path_of

_MAX_EXPANSION = 16
"""Vectors in Parquet may take this multiple of the file's size."""

_DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, NotImplementedError, csv.Error)
"""What readers raise for files that hold something else."""


@frozen_dataclass
class StoredVectors:
    """The content of an embedding file.

    Attributes:
        paths: of N images.
        vectors: (N, D) float32.
        identity: what the vectors depend on apart from the images; None for .npy and .csv, which do not have it.
    """

    paths: list[str]
    vectors: Vectors
    identity: Mapping[str, object] | None


def read_vectors(file: Path) -> StoredVectors:
    """Read an embedding file in the format of its ending.

    Raises:
        InputError: it is not such a file.
        MissingPackageError: its format needs a package that is not installed.
    """
    if file.suffix.lower() not in ENDINGS:
        raise InputError(
            f"{file} is not a file that `cnncli features` wrote: its name does not end in {', '.join(ENDINGS)}"
        )
    require_package(file)
    read = {".npz": _read_npz, ".npy": _read_npy, ".csv": _read_csv, ".parquet": _read_parquet}[
        file.suffix.lower()
    ]
    try:
        stored = read(file)
        _require_rows(stored)
    except _DAMAGE as error:
        raise InputError(f"{file} is not a file that `cnncli features` wrote: {error}") from error
    return stored


def _require_rows(stored: StoredVectors) -> None:
    vectors = stored.vectors
    if vectors.dtype != np.float32 or vectors.ndim != 2 or len(vectors) != len(stored.paths):  # noqa: PLR2004
        raise ValueError("its embeddings are not one row of float32 for each path")
    if not np.isfinite(vectors).all():
        raise ValueError("its embeddings hold infinite or NaN values")


def _read_npz(file: Path) -> StoredVectors:
    with open_npz(file) as arrays:
        texts = arrays["paths"]
        if texts.ndim != 1 or texts.dtype.kind != "U":
            raise ValueError("its paths are not texts")
        paths: list[str] = texts.tolist()
        for row in arrays["encoded"].tolist() if "encoded" in arrays else ():
            paths[row] = path_of(paths[row])
        return StoredVectors(paths, arrays["embeddings"], _identity(str(arrays["identity"])))


def _read_npy(file: Path) -> StoredVectors:
    with open_regular(file):  # refuses pipes and devices
        # Refuses pickles, and shapes that are larger than the file.
        vectors = np.lib.format.open_memmap(file, mode="r")
    with open_text(file.with_suffix(TABLE), newline="") as lines:
        rows = csv.DictReader(bounded_lines(lines))
        return StoredVectors(
            [listed_path("", row["path"]) for row in rows if row["status"] == OK], vectors, None
        )


def _read_csv(file: Path) -> StoredVectors:
    paths: list[str] = []
    vectors: list[Vectors] = []
    with open_text(file, newline="") as lines:
        rows = csv.reader(bounded_lines(lines))
        header = next(rows, [])
        if len(header) == len(set(header)) and {"path", "status", "row"} <= set(header):
            raise ValueError("it lists the images of an .npy file, which is the file to give")
        path, status, first = header.index("path"), header.index("status"), header.index(f"{FEATURE}0")
        for row in rows:
            if row[status] == OK:
                paths.append(listed_path("", row[path]))
                vectors.append(np.array(row[first:], np.float32))
    return StoredVectors(paths, np.stack(vectors) if vectors else np.empty((0, 0), np.float32), None)


def _read_parquet(file: Path) -> StoredVectors:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open_regular(file) as stream:
        content = pq.ParquetFile(stream)
        groups = [content.metadata.row_group(number) for number in range(content.num_row_groups)]
        values = sum(
            group.column(number).num_values for group in groups for number in range(group.num_columns)
        )
        require_modest(file, _MAX_EXPANSION, values * np.dtype(np.float32).itemsize)
        table = content.read(["path", "status", "embedding"])
    table = table.filter([status == OK for status in table["status"].to_pylist()])
    kind = table.schema.field("embedding").type
    if not pa.types.is_fixed_size_list(kind):
        raise ValueError("its embeddings are not lists of one length")
    width = kind.list_size
    flat = [chunk.flatten().to_numpy() for chunk in table["embedding"].chunks]
    vectors = np.concatenate(flat).reshape(-1, width) if flat else np.empty((0, width), np.float32)
    identity = (table.schema.metadata or {})[b"identity"].decode()
    paths = [listed_path("", path) for path in table["path"].to_pylist()]
    return StoredVectors(paths, vectors, _identity(identity))


def _identity(text: str) -> dict[str, object]:
    """What the embeddings of a file depend on.

    Raises:
        ValueError: the text is not such a document.
    """
    document = parse_json(text)
    if not isinstance(document, dict):
        raise ValueError("its identity is not an object")  # noqa: TRY004 - it is a damaged file, not a bug
    return document
