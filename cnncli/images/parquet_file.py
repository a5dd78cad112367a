"""Parquet files: opening them, finding the column of images, and reading columns of texts."""

import contextlib
import importlib.util
import os
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from cnncli.errors import MissingPackageError
from cnncli.images.container import open_container
from cnncli.records.predictions import UnreadableError
from cnncli.text import first_line, install_command, is_url, parse_json

_USUAL = ("image", "img")
"""Columns that hold the images where several could."""

_LARGE = 256 << 20
"""Bytes of a row group from which reading its rows in any order is slow."""


def require_pyarrow() -> None:
    """Raise MissingPackageError if pyarrow, which reads Parquet, is not installed."""
    if importlib.util.find_spec("pyarrow") is None:
        raise MissingPackageError("Parquet needs the package pyarrow", install_command("cnncli[parquet]"))


def open_parquet(file: str) -> Any:  # noqa: ANN401 - pyarrow is not typed
    """A file, of which nothing but its schema has been read.

    Raises:
        OSError: it cannot be opened.
        UnreadableError: it is no Parquet file.
        MissingPackageError: pyarrow is not installed.
    """
    require_pyarrow()
    import pyarrow as pa
    import pyarrow.parquet as pq

    stream: Any = open_container(file)
    if not is_url(file):  # a regular file, which pyarrow reads faster itself
        stream.close()
        stream = pa.OSFile(os.fsencode(file))
    with as_damage():
        return pq.ParquetFile(stream, pre_buffer=False)


@contextlib.contextmanager
def as_damage() -> Iterator[None]:
    """Turn pyarrow's errors about the content of a file into an UnreadableError."""
    try:
        yield
    except (ValueError, NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the system, or of a server
            raise
        raise UnreadableError(f"not a Parquet file, or a damaged one: {first_line(error)}") from error


def column_names(file: str) -> list[str]:
    """The names of a file's columns.

    Raises:
        OSError: it cannot be opened.
        UnreadableError: it is no Parquet file.
    """
    return list(open_parquet(file).schema_arrow.names)


def is_slow_in_any_order(file: str) -> bool:
    """Whether the rows of a file are in such large groups that reading one of them takes long.

    Raises:
        OSError: it cannot be opened.
        UnreadableError: it is no Parquet file.
    """
    metadata = open_parquet(file).metadata
    return any(metadata.row_group(group).total_byte_size > _LARGE for group in range(metadata.num_row_groups))


def holds_images(file: str) -> bool:
    """Whether a file has a column of bytes.

    Raises:
        OSError: it cannot be opened.
        UnreadableError: it is no Parquet file.
    """
    return bool(_byte_columns(open_parquet(file).schema_arrow))


def read_column(file: str, column: str) -> Iterator[Any]:
    """The values of a column, in order.

    Raises:
        OSError: the file cannot be opened.
        UnreadableError: it is damaged, or has no such column.
    """
    parquet = open_parquet(file)
    _require_column(parquet.schema_arrow.names, column)
    with as_damage():
        for batch in parquet.iter_batches(columns=[column]):
            yield from batch.column(0).to_pylist()


def read_rows(file: str, columns: Sequence[str]) -> Iterator[dict[str, str | tuple[str, ...] | None]]:
    """The texts in some columns, row by row; numbers of classes become their names, as Hugging Face's data sets record them.

    A cell with a list becomes the texts in it.

    Raises:
        OSError: the file cannot be read.
        UnreadableError: it is damaged, or has no such column.
    """
    parquet = open_parquet(file)
    for column in columns:
        _require_column(parquet.schema_arrow.names, column)
    names = {column: _class_names(parquet.schema_arrow, column) for column in columns}
    with as_damage():
        for batch in parquet.iter_batches(columns=list(columns)):
            for row in batch.to_pylist():
                yield {column: _label(row[column], names[column]) for column in columns}


def _label(value: Any, names: Sequence[str]) -> str | tuple[str, ...] | None:  # noqa: ANN401 - any value of a table
    if isinstance(value, list):
        return tuple(_text(item, names) for item in value if item is not None)
    return None if value is None else _text(value, names)


def _text(value: Any, names: Sequence[str]) -> str:  # noqa: ANN401 - as above
    if isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    return str(value)


def _class_names(schema: Any, column: str) -> Sequence[str]:  # noqa: ANN401 - pyarrow is not typed
    """The names of the classes in a column, if the file records them."""
    try:
        features = parse_json((schema.metadata or {}).get(b"huggingface", b""))["info"]["features"]
        feature = features[column].get("feature", features[column])  # of a list, what its items are
        return [str(name) for name in feature["names"]]
    except (ValueError, LookupError, TypeError, AttributeError):
        return ()


# ---- which column


def find_column(schema: Any) -> str | None:  # noqa: ANN401 - pyarrow is not typed
    """The column of images: the only one with bytes, or the one with a usual name; None where that is unclear."""
    names = _byte_columns(schema)
    usual = [name for name in _USUAL if name in names]
    return usual[0] if usual else names[0] if len(names) == 1 else None


def choose_column(schema: Any, column: str | None) -> str:  # noqa: ANN401 - as above
    """The column of images.

    Args:
        schema: of the file.
        column: as the user named it; None to find it.

    Raises:
        UnreadableError: there is none, or it holds something else.
    """
    if column is None:
        return find_column(schema) or _raise_unclear(schema)
    _require_column(schema.names, column)
    if column not in _byte_columns(schema):
        raise UnreadableError(
            f"its column {column!r} holds {schema.field(column).type}, not the bytes of images"
        )
    return column


def _raise_unclear(schema: Any) -> NoReturn:  # noqa: ANN401 - as above
    names = _byte_columns(schema)
    reason = (
        f"several columns of bytes: {_listed(names)}"
        if names
        else f"no column of bytes; {_columns(schema.names)}"
    )
    raise UnreadableError(f"{reason} (--image-column)")


def _byte_columns(schema: Any) -> list[str]:  # noqa: ANN401 - as above
    return [field.name for field in schema if _holds_bytes(field.type)]


def _require_column(names: Sequence[str], column: str) -> None:
    if column not in names:
        raise UnreadableError(f"no column {column!r}; {_columns(names)}")


def _columns(names: Sequence[str]) -> str:
    return f"it has {_listed(names)}" if names else "it has no columns"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name[:40]) for name in names[:8])


def is_structure(kind: Any) -> bool:  # noqa: ANN401 - pyarrow is not typed
    """Whether values of a type have fields."""
    import pyarrow as pa

    return bool(pa.types.is_struct(kind))


def _holds_bytes(kind: Any) -> bool:  # noqa: ANN401 - pyarrow is not typed
    """Whether values of a type are bytes, or structures with a field `bytes`."""
    import pyarrow as pa

    if is_structure(kind):
        index = kind.get_field_index("bytes")
        return index >= 0 and _holds_bytes(kind.field(index).type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
