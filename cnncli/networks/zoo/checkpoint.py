"""Reading a weights file safely: safetensors, or a checkpoint that torch's weights-only unpickler reads.

A checkpoint is a plain state dict, or a dict that has one under `state_dict`, `model` or another key, perhaps with an averaged
copy (EMA). Which of its tensors belong to a network is decided in `networks.zoo.layout`.
"""

import argparse
import pickle
import pickletools
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.serialization import safe_globals

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import WeightsError
from cnncli.files.zip_sizes import require_modest
from cnncli.networks.reference import ultralytics_hint
from cnncli.networks.zoo.weights import USE_ORIGINAL, StateDict
from cnncli.records.progress import Progress

_AVERAGES = ("state_dict_ema", "model_ema", "ema_state_dict", "ema")
"""Keys under which training scripts (timm, torchvision's references) store averaged weights, which are preferred here as well."""

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net")

_RECORDED_ARCHITECTURE = ("arch", "model", "model_name")
"""Keys of a checkpoint, or of the arguments in it, under which training scripts store the name of the architecture."""


class _Ignored:
    """Stands in for an object that training scripts store beside the weights; it has no content, and nothing is called."""

    def __init__(self, *_: object) -> None: ...

    def __setstate__(self, _: object) -> None: ...


_IGNORED = (
    "numpy.dtype",
    "numpy.ndarray",
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    *(f"pathlib.{name}" for name in ("Path", "PosixPath", "WindowsPath")),
    *(f"pathlib._local.{name}" for name in ("Path", "PosixPath", "WindowsPath")),  # Python 3.13
    "mmengine.logging.history_buffer.HistoryBuffer",
    "builtins.getattr",  # with which MMEngine's history refers to its methods
)
"""Names in pickles of ordinary training scripts (a best accuracy, an output folder, a history) that `_Ignored` stands in for."""

_MAX_EXPANSION = 4
"""A checkpoint and its tensors may take this multiple of the file's size: torch stores them uncompressed."""

_FLOATS_8 = {torch.float8_e4m3fn, torch.float8_e4m3fnuz, torch.float8_e5m2, torch.float8_e5m2fnuz}
"""Types of 8 bits that every float32 layer can hold; torch computes nothing with them."""

_SCALE = re.compile(r"(.+\.)?(weight_scale\w*|scale_weight|scaled_fp8)")
"""Names of what quantized weights are multiplied by, in files of compressed-tensors, transformers, TensorRT and ComfyUI."""

_LFS_POINTER = b"version https://git-lfs"
"""Start of what git writes in place of a large file."""

_MAX_NESTING = 4
"""How deep in nested dicts a state dict is searched for."""

_MAX_NAMES = 8
"""Keys of a checkpoint that an error message lists."""


@frozen_dataclass
class CheckpointContent:
    """What a weights file holds.

    Attributes:
        tensors: by name, as in the file.
        architecture: the name that the training script stored; None where there is none.
    """

    tensors: StateDict
    architecture: str | None = None


def read_checkpoint(file: Path, progress: Progress) -> CheckpointContent:
    """The content of a weights file; 8-bit floats become float32.

    Raises:
        WeightsError: the file is neither safetensors nor a checkpoint of plain tensors; for a pickle that would run code,
            the message names what it would call.
    """
    _require_content(file)
    if _is_safetensors(file):
        try:
            return CheckpointContent(_widen(load_file(file), file))
        except (SafetensorError, OSError) as error:
            raise WeightsError(f"{file} is damaged: {error}") from error
    content = unpickle_tensors(file)
    tensors = _tensors(content, file, progress)
    _require_modest(file, sum(value.numel() * value.element_size() for value in tensors.values()))
    return CheckpointContent(_widen(tensors, file), _recorded_architecture(content))


def _require_content(file: Path) -> None:
    """Refuse an empty file, and what git writes in place of a large file where Git LFS is not installed."""
    with file.open("rb") as stream:
        head = stream.read(len(_LFS_POINTER))
    if not head:
        raise WeightsError(f"{file} is empty", _SAVE_HINT)
    if head == _LFS_POINTER:
        raise WeightsError(
            f"{file} is a pointer of Git LFS, not the weights", "run `git lfs pull` in its folder"
        )


def _widen(tensors: StateDict, file: Path) -> StateDict:
    """The tensors with 8-bit floats as float32; each must be the weight itself, not a multiple of it."""
    has_floats_8 = any(value.dtype in _FLOATS_8 for value in tensors.values())
    if has_floats_8 and (scale := next(filter(_SCALE.fullmatch, tensors), None)):
        raise WeightsError(
            f"{file} has 8-bit floats with scales ({scale}); quantized weights are not supported",
            USE_ORIGINAL,
        )
    return {name: value.float() if value.dtype in _FLOATS_8 else value for name, value in tensors.items()}


def _recorded_architecture(content: Mapping[str, object]) -> str | None:
    """The name of the architecture in a checkpoint of timm or torchvision, or of a script like theirs."""
    arguments = content.get("args")
    stored = vars(arguments) if isinstance(arguments, argparse.Namespace) else {}
    names = (part.get(key) for part in (content, stored) for key in _RECORDED_ARCHITECTURE)
    return next((name for name in names if isinstance(name, str)), None)


def _require_modest(file: Path, content: int | None = None) -> None:
    """Refuse a file whose content (bytes) is far larger than itself, before memory is spent on it."""
    try:
        require_modest(file, _MAX_EXPANSION, content)
    except ValueError as error:
        raise WeightsError(f"{file} is unsafe: {error}", _SAVE_HINT) from error


def _is_safetensors(file: Path) -> bool:
    """Whether a file holds safetensors, by suffix or content: eight bytes of header length, then a JSON object."""
    with file.open("rb") as stream:
        head = stream.read(9)
    return file.suffix == ".safetensors" or head[8:] == b"{"


def unpickle_tensors(file: Path) -> Any:  # noqa: ANN401 - whatever it holds
    """The content of a file that `torch.save` wrote: tensors and plain values, by torch's weights-only unpickler.

    Raises:
        WeightsError: the file is damaged, or unsafe: it would run code, or take far more memory than its own size.
    """
    _require_modest(file)
    try:
        with (
            warnings.catch_warnings(),
            safe_globals([argparse.Namespace, *((_Ignored, name) for name in _IGNORED)]),
        ):
            warnings.simplefilter("ignore")  # torch warns about pickle protocols that it can read
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if name := _refused_name(file, str(error)):
            is_ultralytics = name.startswith("ultralytics.")
            raise WeightsError(
                f"{file} is unsafe: unpickling it would call {name}",
                ultralytics_hint(file) if is_ultralytics else _SAVE_STATE_HINT,
            ) from error
        if zipfile.is_zipfile(file):
            raise WeightsError(f"{file} is unsafe: it holds more than tensors", _SAVE_HINT) from error
        raise WeightsError(f"{file} is neither safetensors nor a torch checkpoint", _SAVE_HINT) from error
    except Exception as error:  # unpickling arbitrary bytes may raise anything
        problem = "a TorchScript archive" if "TorchScript" in str(error) else "damaged, or not a weights file"
        raise WeightsError(f"{file} is {problem}", _SAVE_HINT) from error


def _refused_name(file: Path, message: str) -> str | None:
    """The name of what unpickling would call, from torch's message or from the opcodes, without running them."""
    if match := re.search(r"GLOBAL ([\w.]+)", message):
        return match[1]
    strings: list[str] = []
    try:
        with file.open("rb") as stream:
            for opcode, argument, _ in pickletools.genops(stream):
                if opcode.name == "GLOBAL":
                    return str(argument).replace(" ", ".")
                if opcode.name == "STACK_GLOBAL":
                    return ".".join(strings[-2:])
                if isinstance(argument, str):
                    strings.append(argument)
    except ValueError:  # not a complete pickle
        pass
    return None


_SAVE_HINT = "use safetensors, or a checkpoint with a state dict"
_SAVE_STATE_HINT = "save only its state dict (torch.save(model.state_dict(), …)), or as safetensors"


def _tensors(checkpoint: object, file: Path, progress: Progress) -> StateDict:
    """The state dict in a checkpoint; averaged weights are preferred, which is reported."""
    content: Any = checkpoint
    for _ in range(_MAX_NESTING):
        if not isinstance(content, Mapping):
            raise WeightsError(f"{file} holds a {type(content).__name__}, not a state dict", _SAVE_HINT)
        name = _state_dict_key(content)
        if name is None:
            break
        if name in _AVERAGES:
            progress.notice(f"{file.name}: using the averaged weights under {name!r}")
        content = content[name]
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        names = ", ".join(map(str, list(content)[:_MAX_NAMES]))
        raise WeightsError(f"{file} holds no weights, only {names or 'an empty dict'}", _SAVE_HINT)
    return tensors


def _state_dict_key(checkpoint: Mapping[Any, Any]) -> str | None:
    """The key of the state dict in a checkpoint: averaged weights first, then the usual keys, then the only one there is."""
    inner = {name: value for name, value in checkpoint.items() if isinstance(value, Mapping) and value}
    for name in (*_AVERAGES, *_WRAPPERS):
        if name in inner:
            return name
    if any(isinstance(value, Tensor) for value in checkpoint.values()):
        return None
    others = [
        name for name, value in inner.items() if all(isinstance(entry, Tensor) for entry in value.values())
    ]
    return others[0] if len(others) == 1 else None
