"""How many images batch normalisation needs at a time."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from cnncli.errors import TrainingError


def single_image_error() -> TrainingError:
    """The error for a step in which batch normalisation would get a single value per channel."""
    return TrainingError(
        "batch normalisation cannot learn from a single image at a time",
        "use a larger --batch-size, or fewer processes",
    )


def require_batch(network: nn.Module, shape: tuple[int, int, int], batch_size: int) -> None:
    """Check that a network, as it will be trained, can learn from batches of so many images (C, H, W).

    Raises:
        TrainingError: batch normalisation would get a single value per channel.
    """
    if batch_size == 1 and least_images(network, torch.zeros(1, *shape)) > 1:
        raise single_image_error()


def least_images(network: nn.Module, images: Tensor) -> int:
    """The smallest number of images that a network can learn from: 2 where one image gives a batch norm one value, else 1.

    Torch refuses to normalise a single value per channel, as after global pooling.

    Args:
        network: the network, in training mode; its weights, statistics and mode stay the same.
        images: (1, C, H, W), any image of the smallest size that training uses.
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.training]
    if not norms:
        return 1
    values: list[int] = []
    record = _values_per_channel(values)
    hooks = [norm.register_forward_pre_hook(record) for norm in norms]
    try:
        for norm in norms:
            norm.eval()  # accepts a single value, and keeps the running statistics
        with torch.no_grad(), torch.random.fork_rng(_cuda_devices(images)):
            network(images)
    finally:
        for norm in norms:
            norm.train()
        for hook in hooks:
            hook.remove()
    return 2 if 1 in values else 1


def _values_per_channel(values: list[int]) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    """A hook that appends the number of values per channel that a layer gets."""

    def record(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        values.append(inputs[0].numel() // inputs[0].shape[1])

    return record


def _cuda_devices(images: Tensor) -> list[torch.device]:
    return [images.device] if images.device.type == "cuda" else []
