"""Reading NPZ files that somebody else may have written: no pickles, and no more memory than the file's size explains."""

import contextlib
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from cnncli.files.zip_sizes import require_modest
from cnncli.regular_file import open_regular

_MAX_EXPANSION = 16
"""Arrays may take this multiple of the file's size: embeddings are stored uncompressed, paths as texts of equal length."""


@contextlib.contextmanager
def open_npz(file: Path | BinaryIO) -> Iterator[Mapping[str, NDArray[Any]]]:
    """The arrays of an NPZ file, each of which is read when it is looked up.

    Args:
        file: a regular file, or its content as a seekable stream.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is not an NPZ file, is damaged, would take far more memory than its own size, or an array is missing or
            of another kind than the block expects.
    """
    require_modest(file, _MAX_EXPANSION)
    try:
        with _open(file) as stream, np.load(stream) as arrays:
            yield arrays
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        NotImplementedError,
        EOFError,
        MemoryError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise ValueError(str(error) or type(error).__name__) from error


def _open(file: Path | BinaryIO) -> contextlib.AbstractContextManager[BinaryIO]:
    if isinstance(file, Path):
        return open_regular(file)
    file.seek(0)
    return contextlib.nullcontext(file)
