"""Layers of a network by name, their outputs, and feature maps in any memory layout."""

import contextlib
import difflib
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import CompileError, UsageError

MAP_AXES, TOKEN_AXES = 4, 3
"""Dimensions of feature maps (N, D, H, W) and of a sequence of tokens (N, L, D)."""

_WRAPPED = "network"
"""The attribute in which a wrapper, such as one with another head, holds the original network."""


@contextlib.contextmanager
def explain_failures(shape: Sequence[int]) -> Iterator[None]:
    """Turn what a network raises in the block into a message.

    Args:
        shape: (C, H, W) of its input.

    Raises:
        CompileError: it does not run on such images.
    """
    try:
        yield
    except (RuntimeError, ValueError, AssertionError, TypeError) as error:
        size = " x ".join(map(str, shape))
        raise CompileError(f"the network does not run on images of {size}: {error}") from error


def find_layer(network: nn.Module, name: str) -> nn.Module:
    """A layer by its name in a summary.

    Raises:
        UsageError: there is no such layer; the hint has the closest names.
    """
    return network.get_submodule(full_layer_name(network, name))


def full_layer_name(network: nn.Module, name: str) -> str:
    """The full name of a layer, which may also be given by its name in the network that this one wraps.

    Raises:
        UsageError: there is no such layer; the hint has the closest names.
    """
    names = dict(network.named_modules())
    for full in (name, f"{_WRAPPED}.{name}"):
        if name and full in names:
            return full
    layers = [layer for layer in names if layer]
    close = list(
        dict.fromkeys(
            [*difflib.get_close_matches(name, layers, 4, cutoff=0.4), *layers[:2], "…", *layers[-2:]]
        )
    )
    raise UsageError(
        f"no layer is called {name!r}", f"layers: {', '.join(close)}; `cnncli summary` lists all"
    )


@contextlib.contextmanager
def capture_outputs(layers: Mapping[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """Collect the outputs of layers by name until the block ends, in the order of their calls.

    A layer that is called more than once has its last output; one with several output tensors, the first of them. The
    network goes on with a copy, since the next layer may overwrite its input.
    """
    outputs: dict[str, Tensor] = {}

    def store(name: str, output: object) -> object:
        if isinstance(output, tuple | list) and output:
            first = store(name, output[0])
            return type(output)([first, *output[1:]]) if type(output) in {tuple, list} else output
        if not isinstance(output, Tensor):
            return output
        outputs.pop(name, None)
        outputs[name] = output
        return output.clone()

    handles = [
        module.register_forward_hook(lambda _, __, output, name=name: store(name, output))
        for name, module in layers.items()
    ]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def layer_outputs(network: nn.Module, layers: Mapping[str, nn.Module], images: Tensor) -> dict[str, Tensor]:
    """The outputs of layers for images (N, C, H, W) by name; without layers that are not called."""
    with torch.inference_mode(), capture_outputs(layers) as outputs:
        network(images)
    return outputs


def output_per_image(name: str, outputs: Mapping[str, Tensor], count: int) -> Tensor:
    """The output (N, …) of a layer.

    Args:
        name: of the layer.
        outputs: as `capture_outputs` collects them.
        count: N, images in the batch.

    Raises:
        UsageError: the layer is not called, or does not give one output per image, such as attention within windows.
    """
    if name not in outputs:
        raise UsageError(f"{name} is not called in a forward pass", "name another layer")
    output = outputs[name]
    if output.ndim < 2 or len(output) != count:  # noqa: PLR2004 - (N, D)
        raise UsageError(
            f"{name} does not give one output per image: {_shape(output)} for {count} images",
            "name the block that contains it",
        )
    return output


def feature_maps(name: str, outputs: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """The output of a layer as feature maps (N, D, h, w).

    Args:
        name: of the layer.
        outputs: as `capture_outputs` collects them.
        images: (N, C, H, W), the batch.

    Raises:
        UsageError: as `output_per_image`, or the output is not made of maps.
    """
    output = output_per_image(name, outputs, len(images))
    maps = as_maps(output, images.shape[2:])
    if maps is None:
        raise UsageError(
            f"{name} has no feature maps; its output is {_shape(output[0])} numbers",
            "name a layer before global pooling",
        )
    return maps


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape))


def as_maps(output: Tensor, size: Sequence[int]) -> Tensor | None:
    """Feature maps (N, D, h, w) from the output of a layer; None where the output is not made of maps.

    Args:
        output: maps (N, D, h, w), maps with channels last (N, h, w, D) as in Swin, or patch tokens (N, L, D), with or
            without class tokens before them, as in ViT.
        size: (H, W) of the network's input; maps have its proportions.
    """
    if output.ndim == MAP_AXES:
        return output.permute(0, 3, 1, 2) if _is_channels_last(output.shape, size) else output
    prefix = _prefix_tokens(output.shape, size)
    if prefix is None:
        return None
    tokens = output[:, prefix:]
    maps = tokens.reshape(len(output), _rows(tokens.shape[1], size), -1, output.shape[2])
    return maps.permute(0, 3, 1, 2)


@frozen_dataclass
class Pooling:
    """The way from the output of a layer to one vector per image.

    Attributes:
        axes: those of the positions, which are averaged; empty where there are none, and the output is flattened.
        prefix: number of class tokens, which are left out.
    """

    axes: tuple[int, ...]
    prefix: int = 0

    def __call__(self, output: Tensor) -> Tensor:
        """The vectors (N, D) of the output of a layer (N, …)."""
        return output[:, self.prefix :].mean(self.axes) if self.axes else output.flatten(1)


def pooling(shape: Sequence[int], size: Sequence[int]) -> Pooling:
    """How the output of a layer is pooled: maps are averaged over positions, anything else is flattened.

    Args:
        shape: of the output, as for `as_maps`.
        size: (H, W) of the network's input.
    """
    if len(shape) == MAP_AXES:
        return Pooling((1, 2) if _is_channels_last(shape, size) else (2, 3))
    prefix = _prefix_tokens(shape, size)
    return Pooling(()) if prefix is None else Pooling((1,), prefix)


_PREFIX_TOKENS = (0, 1, 2, 4, 5, 8, 9)
"""Numbers of class, distillation and register tokens that timm's transformers put before the patch tokens."""


def _prefix_tokens(shape: Sequence[int], size: Sequence[int]) -> int | None:
    """Number of tokens before the patch tokens of a sequence; None where the output is no sequence of patches."""
    if len(shape) != TOKEN_AXES:
        return None
    height, width = size
    for prefix in _PREFIX_TOKENS:
        patches = shape[1] - prefix
        if patches > 1 and _rows(patches, size) ** 2 * width == patches * height:
            return prefix
    return None


def _rows(patches: int, size: Sequence[int]) -> int:
    """Rows of patches, if they have the proportions of the image."""
    height, width = size
    rows: int = round((patches * height / width) ** 0.5)
    return rows


def _is_channels_last(shape: Sequence[int], size: Sequence[int]) -> bool:
    """Whether maps are (N, h, w, D) rather than (N, D, h, w)."""
    return not _has_proportions(shape[2:], size) and _has_proportions(shape[1:3], size)


def _has_proportions(shape: Sequence[int], size: Sequence[int]) -> bool:
    """Whether a map has the proportions of the image, give or take a row or column."""
    (rows, columns), (height, width) = shape, size
    return abs(rows * width - columns * height) <= max(height, width)
