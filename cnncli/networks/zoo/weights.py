"""Weights from a file: read safely, extracted from a checkpoint, and loaded into a network.

The file holds safetensors, or a checkpoint that torch's weights-only unpickler reads: a plain state dict, or one under
`state_dict` or `model`, perhaps with an averaged copy (EMA) and with a prefix such as `module.` before every name.
"""

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
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cnncli.errors import WeightsError
from cnncli.files.zip_sizes import unpacked_size
from cnncli.networks.model_folder import is_auxiliary
from cnncli.networks.tensor_files import raise_os_errors
from cnncli.records.progress import Progress
from cnncli.text import size

StateDict = dict[str, Tensor]
Shapes = Mapping[str, tuple[int, ...]]

_AVERAGES = ("state_dict_ema", "model_ema", "ema_state_dict", "ema")
"""Keys under which training scripts (timm, torchvision's references) store averaged weights, which are preferred here as well."""

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net")

_PREFIXES = ("module.", "_orig_mod.", "model.")
"""Prefixes that DataParallel, torch.compile and Lightning add to every name."""

_MAX_EXPANSION = 4
"""A checkpoint and its tensors may take this multiple of the file's size: torch stores them uncompressed."""

_SMALL = 16 << 20
"""Bytes that any checkpoint may take: names and shapes of small files compress well."""

_MAX_COMPLAINTS = 5
"""Complaints that an error message lists; the others are counted."""


def read_state_dict(file: Path, progress: Progress) -> StateDict:
    """The tensors in a weights file, by name.

    Raises:
        WeightsError: the file is neither safetensors nor a checkpoint of plain tensors; for a pickle that would run code,
            the message names what it would call.
    """
    if not file.stat().st_size:
        raise WeightsError(f"{file} is empty", _SAVE_HINT)
    if _is_safetensors(file):
        try:
            return _strip_prefix(load_file(file))
        except (SafetensorError, OSError) as error:
            raise WeightsError(f"{file} is damaged: {error}") from error
    tensors = _tensors(unpickle_tensors(file), file, progress)
    _require_modest(file, sum(value.numel() * value.element_size() for value in tensors.values()))
    return _strip_prefix(tensors)


def _require_modest(file: Path, content: int) -> None:
    """Refuse a file whose content (bytes) is far larger than itself, before memory is spent on it."""
    if content > _MAX_EXPANSION * file.stat().st_size + _SMALL:
        raise WeightsError(
            f"{file} is unsafe: {size(file.stat().st_size)} that would take {size(content)} of memory",
            _SAVE_HINT,
        )


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
    _require_modest(file, unpacked_size(file))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about pickle protocols that it can read
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if name := _refused_name(file, str(error)):
            raise WeightsError(
                f"{file} is unsafe: unpickling it would call {name}",
                "save only its state dict (torch.save(model.state_dict(), …)), or as safetensors",
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


def _tensors(checkpoint: object, file: Path, progress: Progress) -> StateDict:
    """The state dict in a checkpoint; averaged weights are preferred, which is reported."""
    if not isinstance(checkpoint, Mapping):
        raise WeightsError(f"{file} holds a {type(checkpoint).__name__}, not a state dict", _SAVE_HINT)
    for name in (*_AVERAGES, *_WRAPPERS):
        inner = checkpoint.get(name)
        if isinstance(inner, Mapping) and inner and inner is not checkpoint:
            if name in _AVERAGES:
                progress.notice(f"{file.name}: using the averaged weights under {name!r}")
            return _tensors(inner, file, progress)
    tensors = {str(name): value for name, value in checkpoint.items() if isinstance(value, Tensor)}
    if not tensors:
        raise WeightsError(f"{file} holds no tensors under the usual keys of checkpoints", _SAVE_HINT)
    return tensors


def _strip_prefix(tensors: StateDict) -> StateDict:
    """Remove prefixes of all names, and `n_averaged`, the counter of torch's averaged models."""
    tensors = {name: value for name, value in tensors.items() if name != "n_averaged"}
    for prefix in _PREFIXES:
        if tensors and all(name.startswith(prefix) for name in tensors):
            return _strip_prefix({name.removeprefix(prefix): value for name, value in tensors.items()})
    return tensors


def shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor, by name."""
    return {name: tuple(value.shape) for name, value in tensors.items()}


def infer_num_classes(actual: Shapes, expected: Shapes, num_classes: int) -> int:
    """The number of classes of weights, from layers whose shape differs from the network's in just that dimension.

    Args:
        actual: shapes in the file.
        expected: shapes in a network built with `num_classes`.
        num_classes: of that network.
    """
    lengths = _length_differences(actual, expected, axis=0)
    counts = {count for count, built in lengths if built == num_classes}
    return counts.pop() if len(counts) == 1 else num_classes


def infer_channels(actual: Shapes, expected: Shapes, channels: int) -> int:
    """The number of input channels of weights: 1 if a kernel differs from the network's in just that dimension.

    Args:
        actual: shapes in the file.
        expected: shapes in a network built with `channels`.
        channels: of that network.
    """
    return 1 if (1, channels) in _length_differences(actual, expected, axis=1) else channels


def _length_differences(actual: Shapes, expected: Shapes, axis: int) -> set[tuple[int, int]]:
    """(actual, expected) lengths of tensors that differ along this axis only."""
    return {
        (shape[axis], other[axis])
        for name, shape in actual.items()
        if (other := expected.get(name)) and len(shape) == len(other) > axis and shape != other
        if shape[:axis] + shape[axis + 1 :] == other[:axis] + other[axis + 1 :]
    }


def load_into(module: nn.Module, tensors: StateDict, origin: str) -> None:
    """Load weights into a network; all must fit, and none may be missing or left over.

    Auxiliary heads and BatchNorm's `num_batches_tracked` may be missing.

    Args:
        module: the network.
        tensors: by name.
        origin: of the weights, for messages.

    Raises:
        WeightsError: with the names that do not fit; or a tensor has infinite or NaN values.
    """
    expected, actual = shapes(module.state_dict()), shapes(tensors)
    complaints = [
        *(
            f"{name} is {_shape_text(actual[name])} instead of {_shape_text(expected[name])}"
            for name in expected
            if actual.get(name, expected[name]) != expected[name]
        ),
        *(f"{name} is missing" for name in expected if name not in actual and not _is_optional(name)),
        *(f"{name} is not part of the network" for name in actual if name not in expected),
    ]
    if complaints:
        rest = len(complaints) - _MAX_COMPLAINTS
        more = f" and {rest:,} more" if rest > 0 else ""
        raise WeightsError(
            f"{origin} does not fit the network: {'; '.join(complaints[:_MAX_COMPLAINTS])}{more}",
            "name the architecture that these weights were trained with",
        )
    if broken := next((name for name, value in tensors.items() if not torch.isfinite(value).all()), None):
        raise WeightsError(f"{origin} is damaged: {broken} holds infinite or NaN values")
    module.load_state_dict(tensors, strict=False)


def _is_optional(name: str) -> bool:
    """Whether inference does not use a tensor."""
    return is_auxiliary(name.removeprefix("network.")) or name.endswith("num_batches_tracked")


def _shape_text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a scalar"


def save_state_dict(module: nn.Module, file: Path) -> None:
    """Save the tensors of a network as safetensors.

    Raises:
        OSError: the file cannot be written.
    """
    save_tensors(module.state_dict(), file)


def save_tensors(tensors: Mapping[str, Tensor], file: Path) -> None:
    """Save tensors as safetensors; shared ones are copied, since the format does not allow sharing.

    Raises:
        OSError: the file cannot be written.
    """
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    with raise_os_errors(file):
        save_file(tensors, file)


def load_saved(module: nn.Module, file: Path) -> None:
    """Load weights that `save_state_dict` wrote.

    Raises:
        WeightsError: the file is damaged, or the weights are of another network.
    """
    try:
        tensors = load_file(file)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{file} is damaged: {error}", "prepare the network again") from error
    load_into(module, tensors, str(file))
