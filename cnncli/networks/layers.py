"""The layers of a network by name, and what comes out of them, however they lay it out."""

import contextlib
import difflib
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from cnncli.errors import UsageError

_WITHIN = "network"
"""Where a network with a head of ours has the one that it was made from."""


def named_layer(network: nn.Module, name: str) -> nn.Module:
    """A layer by the name that a summary gives it.

    Raises:
        UsageError: there is none; the hint has the closest names.
    """
    return network.get_submodule(layer_name(network, name))


def layer_name(network: nn.Module, name: str) -> str:
    """The whole name of a layer, which may be called as in the network that this one was made from, too.

    Raises:
        UsageError: there is none; the hint has the closest names.
    """
    names = dict(network.named_modules())
    for whole in (name, f"{_WITHIN}.{name}"):
        if name and whole in names:
            return whole
    known = [known for known in names if known]
    close = list(
        dict.fromkeys([*difflib.get_close_matches(name, known, 4, cutoff=0.4), *known[:2], "…", *known[-2:]])
    )
    raise UsageError(
        f"no layer is called {name!r}", f"there are {', '.join(close)}; `cnncli summary` has all"
    )


@contextlib.contextmanager
def watched(layers: Mapping[str, nn.Module], *, as_copies: bool = True) -> Iterator[dict[str, Tensor]]:
    """What comes out of layers while the block runs, by name, in the order in which they answer.

    Of a layer that is called more than once the last answer stays; of one that gives several tensors the first.

    Args:
        layers: by name.
        as_copies: as it came out, whatever the next layer does to it in place; else the very tensors that go on.
    """
    found: dict[str, Tensor] = {}

    def hear(name: str, output: object) -> None:
        tensor = output[0] if isinstance(output, tuple | list) and output else output
        if isinstance(tensor, Tensor):
            found.pop(name, None)
            found[name] = tensor.clone() if as_copies else tensor

    handles = [
        module.register_forward_hook(lambda _, __, output, name=name: hear(name, output))
        for name, module in layers.items()
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def answers(network: nn.Module, layers: Mapping[str, nn.Module], images: Tensor) -> dict[str, Tensor]:
    """What comes out of layers for images (N, C, H, W); layers that are not used are missing."""
    with torch.inference_mode(), watched(layers) as found:
        network(images)
    return found


def answer_of(name: str, found: Mapping[str, Tensor], count: int) -> Tensor:
    """What a watched layer has answered.

    Args:
        name: of the layer.
        found: what `watched` gave.
        count: of the images that went through.

    Raises:
        UsageError: it was not used, or has not one answer for each image, as attention within windows.
    """
    if name not in found:
        raise UsageError(f"{name} is not used when an image goes through the network", "name another layer")
    if found[name].ndim < 2 or len(found[name]) != count:  # noqa: PLR2004 - images, and something of each
        raise UsageError(
            f"{name} has not one answer for each image: for {count} it gives {_shape(found[name])}",
            "name the block that it is part of",
        )
    return found[name]


def maps_of(name: str, found: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """The feature maps (N, D, h, w) that a watched layer has answered.

    Raises:
        UsageError: as `answer_of`, or it gives no maps.
    """
    answer = answer_of(name, found, len(images))
    maps = as_maps(answer, images.shape[2:])
    if maps is None:
        raise UsageError(
            f"{name} gives no maps, but {_shape(answer[0])} numbers",
            "name a layer before everything is pooled",
        )
    return maps


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape))


def as_maps(output: Tensor, size: Sequence[int]) -> Tensor | None:
    """Feature maps (N, D, h, w), however a layer lays them out; None where it gives no maps.

    Args:
        output: of a layer: maps, maps with their channels last (Swin), or tokens of patches (N, L, D) with or without
            others before them (ViT).
        size: (H, W) of the network's input, in whose proportions maps are.
    """
    height, width = size
    if output.ndim == 4:  # noqa: PLR2004 - maps
        is_last = not _is_like(output.shape[2:], size) and _is_like(output.shape[1:3], size)
        return output.permute(0, 3, 1, 2) if is_last else output
    if output.ndim != 3:  # noqa: PLR2004 - tokens
        return None
    for others in _OTHER_TOKENS:
        tokens = output.shape[1] - others
        rows = round((max(tokens, 0) * height / width) ** 0.5)
        if tokens > 1 and rows * rows * width == tokens * height:
            maps = output[:, others:].reshape(len(output), rows, tokens // rows, -1)
            return maps.permute(0, 3, 1, 2)
    return None


_OTHER_TOKENS = (0, 1, 2, 4, 5, 8, 9)
"""Class, distillation and register tokens of timm's transformers, which stand before those of patches."""


def _is_like(shape: Sequence[int], size: Sequence[int]) -> bool:
    """Whether a map has the proportions of the image, a row or a column more or less."""
    (rows, columns), (height, width) = shape, size
    return abs(rows * width - columns * height) <= max(height, width)
