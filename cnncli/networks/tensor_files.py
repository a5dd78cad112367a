"""Writing errors of safetensors and torch, as the OSError that they are."""

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

_PROBE = 2**16
"""Bytes that are appended to a file to see whether it can grow."""


@contextlib.contextmanager
def raise_os_errors(file: Path) -> Iterator[None]:
    """Turn an error of safetensors or torch while they write a file into an OSError with its reason.

    Args:
        file: that is written in the block; whatever it then holds is not to be used.

    Raises:
        OSError: there is no space left, for example.
    """
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:  # ends in "No space left on device (os error 28)"
        if number := re.search(r"\(os error (\d+)\)", str(error)):
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(file)) from error
        raise
    except RuntimeError as error:  # of torch's zip writer: "unexpected pos 338688 vs 338580"
        if "unexpected pos" not in str(error) and "PytorchStreamWriter" not in str(error):
            raise
        _require_growth(file)
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(file)) from error


def _require_growth(file: Path) -> None:
    """Raise OSError if a file cannot grow."""
    with file.open("ab") as stream:
        stream.write(bytes(_PROBE))
        stream.flush()
