"""Layers of a network by name, their outputs, and feature maps in any memory layout."""

import contextlib
import difflib
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from cnncli.errors import UsageError

_WRAPPED = "network"
"""The attribute in which a wrapper, such as one with another head, holds the original network."""


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
    height, width = size
    if output.ndim == 4:  # noqa: PLR2004 - maps
        is_channels_last = not _has_proportions(output.shape[2:], size) and _has_proportions(
            output.shape[1:3], size
        )
        return output.permute(0, 3, 1, 2) if is_channels_last else output
    if output.ndim != 3:  # noqa: PLR2004 - tokens
        return None
    for prefix in _PREFIX_TOKENS:
        tokens = output.shape[1] - prefix
        rows = round((max(tokens, 0) * height / width) ** 0.5)
        if tokens > 1 and rows * rows * width == tokens * height:
            maps = output[:, prefix:].reshape(len(output), rows, tokens // rows, -1)
            return maps.permute(0, 3, 1, 2)
    return None


_PREFIX_TOKENS = (0, 1, 2, 4, 5, 8, 9)
"""Numbers of class, distillation and register tokens that timm's transformers put before the patch tokens."""


def _has_proportions(shape: Sequence[int], size: Sequence[int]) -> bool:
    """Whether a map has the proportions of the image, give or take a row or column."""
    (rows, columns), (height, width) = shape, size
    return abs(rows * width - columns * height) <= max(height, width)
