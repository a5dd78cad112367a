"""Weights from a local file: read without running anything, unwrapped, and fitted to a network.

Safetensors, or a torch checkpoint read by torch's weights-only unpickler: a plain state dict, one under
`state_dict` or `model`, with an average of itself (EMA) beside it, with `module.` before every name.
"""

import pickle
import pickletools
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cnncli.errors import WeightsError
from cnncli.networks.model_folder import is_auxiliary
from cnncli.records.progress import Progress

StateDict = dict[str, Tensor]
Shapes = Mapping[str, tuple[int, ...]]

_AVERAGES = ("state_dict_ema", "model_ema", "ema_state_dict", "ema")
"""Where training scripts (timm's, torchvision's references) keep the averaged copy; preferred, as they do."""

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net")

_PREFIXES = ("module.", "_orig_mod.", "model.")
"""What DataParallel, torch.compile and Lightning put before every name."""

_LISTED = 5
"""Names that an error message shows before it only counts them."""


def read_state_dict(file: Path, progress: Progress) -> StateDict:
    """The tensors in a weights file, by name.

    Raises:
        WeightsError: the file is neither safetensors nor a checkpoint of plain tensors; one that would
            run code when unpickled is refused and what it would call is named.
    """
    if not file.stat().st_size:
        raise WeightsError(f"{file} is empty", _SAVE_HINT)
    if _is_safetensors(file):
        try:
            return _strip_prefix(load_file(file))
        except (SafetensorError, OSError) as error:
            raise WeightsError(f"{file} is damaged: {error}") from error
    return _strip_prefix(_tensors(_unpickle(file), file, progress))


def _is_safetensors(file: Path) -> bool:
    """By content: eight bytes of header length, then a JSON object."""
    with file.open("rb") as stream:
        head = stream.read(9)
    return file.suffix == ".safetensors" or head[8:] == b"{"


def _unpickle(file: Path) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch remarks on pickle protocols that it reads all the same
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if name := _refused_name(file, str(error)):
            raise WeightsError(
                f"{file} is refused: unpickling it would call {name}",
                "save its state dict alone (torch.save(model.state_dict(), …)) or as safetensors",
            ) from error
        if zipfile.is_zipfile(file):
            raise WeightsError(f"{file} is refused: it holds more than tensors", _SAVE_HINT) from error
        raise WeightsError(f"{file} is neither safetensors nor a torch checkpoint", _SAVE_HINT) from error
    except Exception as error:  # an unpickler of arbitrary bytes raises anything
        what = "a TorchScript archive" if "TorchScript" in str(error) else "damaged, or no weights file"
        raise WeightsError(f"{file} is {what}", _SAVE_HINT) from error


def _refused_name(file: Path, message: str) -> str | None:
    """What an unpickler would have called: from torch's message, or read off the opcodes, none of them run."""
    if found := re.search(r"GLOBAL ([\w.]+)", message):
        return found[1]
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
    except ValueError:  # not a pickle from end to end
        pass
    return None


_SAVE_HINT = "give safetensors, or a checkpoint with a state dict"


def _tensors(checkpoint: object, file: Path, progress: Progress) -> StateDict:
    """The state dict within a checkpoint; an averaged copy is preferred and said."""
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
        raise WeightsError(f"{file} holds no tensors under the names that checkpoints use", _SAVE_HINT)
    return tensors


def _strip_prefix(tensors: StateDict) -> StateDict:
    """Names as the network has them; `n_averaged` is torch's counter of an averaged model."""
    tensors = {name: value for name, value in tensors.items() if name != "n_averaged"}
    for prefix in _PREFIXES:
        if tensors and all(name.startswith(prefix) for name in tensors):
            return _strip_prefix({name.removeprefix(prefix): value for name, value in tensors.items()})
    return tensors


def shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor, by name."""
    return {name: tuple(value.shape) for name, value in tensors.items()}


def infer_num_classes(found: Shapes, expected: Shapes, num_classes: int) -> int:
    """How many classes the weights know, read off the layers that differ from the network's in just that.

    Args:
        found: shapes in the file.
        expected: shapes of a network built with `num_classes`.
        num_classes: what the network was built with.
    """
    counts = {own for own, other in _length_differences(found, expected, axis=0) if other == num_classes}
    return counts.pop() if len(counts) == 1 else num_classes


def infer_channels(found: Shapes, expected: Shapes, channels: int) -> int:
    """How many planes the weights look at: one, where a kernel differs from the network's in just that.

    Args:
        found: shapes in the file.
        expected: shapes of a network built for `channels`.
        channels: what the network was built for.
    """
    return 1 if (1, channels) in _length_differences(found, expected, axis=1) else channels


def _length_differences(found: Shapes, expected: Shapes, axis: int) -> set[tuple[int, int]]:
    """(found, expected) lengths of those tensors that differ along this axis and no other."""
    return {
        (shape[axis], other[axis])
        for name, shape in found.items()
        if (other := expected.get(name)) and len(shape) == len(other) > axis and shape != other
        if shape[:axis] + shape[axis + 1 :] == other[:axis] + other[axis + 1 :]
    }


def load_into(module: nn.Module, tensors: StateDict, origin: str) -> None:
    """Give a network its weights; each must fit, none may be missing or left over.

    Heads that only training uses may be missing, and so may BatchNorm's count of batches.

    Raises:
        WeightsError: with the names that do not fit.
    """
    own, given = shapes(module.state_dict()), shapes(tensors)
    complaints = [
        *(
            f"{name} is {_by(given[name])} instead of {_by(own[name])}"
            for name in own
            if given.get(name, own[name]) != own[name]
        ),
        *(f"{name} is missing" for name in own if name not in given and not _is_dispensable(name)),
        *(f"{name} is not part of the network" for name in given if name not in own),
    ]
    if complaints:
        more = f" and {len(complaints) - _LISTED:,} more" if len(complaints) > _LISTED else ""
        raise WeightsError(
            f"{origin} does not fit the network: {'; '.join(complaints[:_LISTED])}{more}",
            "name the architecture that these weights were trained with",
        )
    if broken := next((name for name, value in tensors.items() if not torch.isfinite(value).all()), None):
        raise WeightsError(f"{origin} is damaged: {broken} holds values that are no numbers")
    module.load_state_dict(tensors, strict=False)


def _is_dispensable(name: str) -> bool:
    """Not used by inference."""
    return is_auxiliary(name.removeprefix("network.")) or name.endswith("num_batches_tracked")


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single number"


def save_state_dict(module: nn.Module, file: Path) -> None:
    """The network's tensors as safetensors, each name with its own copy.

    Raises:
        OSError: the file cannot be written.
    """
    save_tensors(module.state_dict(), file)


def save_tensors(tensors: Mapping[str, Tensor], file: Path) -> None:
    """Tensors by name as safetensors, each with its own copy.

    Raises:
        OSError: the file cannot be written.
    """
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    try:
        save_file(tensors, file)
    except SafetensorError as error:
        raise OSError(None, str(error)) from error


def load_saved(module: nn.Module, file: Path) -> None:
    """Give a network the weights that `save_state_dict` wrote.

    Raises:
        WeightsError: they are not this network's.
    """
    try:
        tensors = load_file(file)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{file} is damaged: {error}", "prepare the network again") from error
    load_into(module, tensors, str(file))
