"""Files of tensors: what is in them, and errors of writing as the OSError that they are."""

import contextlib
import errno
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PROBE = 2**16
"""Bytes that are appended to a file to see whether it can grow."""

_OS_ERROR = re.compile(r"(?:\(os error |\bOs \{ code: )(\d+)")
"""The number in "No space left on device (os error 28)", or, up to safetensors 0.5, in "IoError(Os { code: 28, …"."""

_LENGTH_BYTES, _MAX_HEADER_BYTES = 8, 100_000_000


def read_shapes(file: Path) -> Mapping[str, Sequence[int]]:
    """The shape of each tensor of a safetensors file by its name; empty if it is not such a file. Needs no library."""
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
        content = stream.read(length) if length <= _MAX_HEADER_BYTES else b""
    try:
        return {name: entry["shape"] for name, entry in json.loads(content).items() if "shape" in entry}
    except ValueError:
        return {}


def read_arrays(file: Path) -> Mapping[str, "NDArray[Any]"]:
    """The half and single precision arrays of a safetensors file by their name. Needs no library, unlike writing one.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not such a file.
    """
    import numpy as np

    content = file.read_bytes()
    start = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
    try:
        entries = json.loads(content[_LENGTH_BYTES:start])
        return {
            name: np.frombuffer(content[start + begin : start + end], _TYPES[entry["dtype"]]).reshape(
                entry["shape"]
            )
            for name, entry in entries.items()
            if name != "__metadata__"
            for begin, end in [entry["data_offsets"]]
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("not a safetensors file") from error


_TYPES = {"F16": "<f2", "F32": "<f4"}


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
    except SafetensorError as error:
        if number := _OS_ERROR.search(str(error)):
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
