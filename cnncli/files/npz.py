"""Reading NPZ files that somebody else may have written: no pickles, and no more memory than the file's size explains."""

import contextlib
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnncli.files.zip_sizes import require_modest
from cnncli.regular_file import open_regular

_MAX_EXPANSION = 16
"""Arrays may take this multiple of the file's size: embeddings are stored uncompressed, paths as texts of equal length."""


@contextlib.contextmanager
def open_npz(file: Path) -> Iterator[Mapping[str, NDArray[Any]]]:
    """The arrays of an NPZ file, each of which is read when it is looked up.

    Args:
        file: a regular file.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is not an NPZ file, is damaged, would take far more memory than its own size, or an array is missing or
            of another kind than the block expects.
    """
    require_modest(file, _MAX_EXPANSION)
    try:
        with open_regular(file) as stream, np.load(stream) as arrays:
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
