"""Weights of a network: their shapes, loaded into it, and saved."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cnncli.errors import WeightsError
from cnncli.networks.model_folder import is_auxiliary
from cnncli.networks.tensor_files import raise_os_errors

StateDict = dict[str, Tensor]
Shapes = Mapping[str, tuple[int, ...]]

OTHER_ARCHITECTURE = "name the architecture that these weights were trained with"
"""Hint for weights that do not fit."""

USE_ORIGINAL = "use the original"
"""Hint for quantized weights."""

_MAX_COMPLAINTS = 5
"""Complaints that an error message lists; the others are counted."""

_MAX_PARTS = 10
"""Parts of a network that an error message lists."""


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


def load_into(
    module: nn.Module,
    tensors: StateDict,
    origin: str,
    hint: str = OTHER_ARCHITECTURE,
) -> None:
    """Load weights into a network; all must fit, and none may be missing or left over.

    Auxiliary heads and BatchNorm's `num_batches_tracked` may be missing.

    Args:
        module: the network.
        tensors: by name.
        origin: of the weights, for messages.
        hint: for weights that do not fit.

    Raises:
        WeightsError: with the names that do not fit and what the file holds; or a tensor has infinite or NaN values, or
            integers in place of floating-point numbers.
    """
    expected = module.state_dict()
    if complaints := _complaints(shapes(tensors), shapes(expected)):
        raise WeightsError(
            f"{origin} does not fit the network: {complaints}; it holds {outline(tensors)}", hint
        )
    for name, value in tensors.items():
        if expected[name].is_floating_point():
            require_floats({name: value}, origin, hint)
        if not torch.isfinite(value).all():
            raise WeightsError(f"{origin} is damaged: {name} holds infinite or NaN values")
    module.load_state_dict(tensors, strict=False)


def require_floats(tensors: StateDict, origin: str, hint: str) -> None:
    """Check that all tensors hold floating-point numbers.

    Raises:
        WeightsError: one holds integers.
    """
    for name, value in tensors.items():
        if not value.is_floating_point():
            dtype = str(value.dtype).removeprefix("torch.")
            raise WeightsError(f"{origin}: {name} is {dtype}; quantized weights are not supported", hint)


def _complaints(actual: Shapes, expected: Shapes) -> str:
    """What of the weights does not fit; the first few complaints, and the number of the others."""
    known = len(actual.keys() & expected.keys())
    if known < len(expected) / 2:
        return f"it has {known:,} of the {len(expected):,} tensors in {outline(expected)}"
    complaints = [
        *(
            f"{name} is {_shape_text(actual[name])} instead of {_shape_text(expected[name])}"
            for name in expected
            if actual.get(name, expected[name]) != expected[name]
        ),
        *(f"{name} is missing" for name in expected if name not in actual and not is_optional(name)),
        *(f"{name} is not part of the network" for name in actual if name not in expected),
    ]
    return _first(complaints, _MAX_COMPLAINTS, "; ")


def outline(names: Iterable[str]) -> str:
    """The first parts of tensor names: conv1, layer1 and fc for a ResNet."""
    parts = list(dict.fromkeys(name.partition(".")[0] for name in names))
    return _first(parts, _MAX_PARTS, ", ")


def _first(texts: Sequence[str], limit: int, separator: str) -> str:
    """The first texts, and the number of the others."""
    rest = len(texts) - limit
    return separator.join(texts[:limit]) + (f" and {rest:,} more" if rest > 0 else "")


def is_optional(name: str) -> bool:
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
