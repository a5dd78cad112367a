"""The embedding of any network: the pooled input of its last weight layer.

For a ResNet that is what enters `fc`, 2,048 numbers; for SqueezeNet, whose last weights are a 1x1
convolution over the whole map, the average over the map of what enters it, 512 numbers.
"""

import torch
from torch import Tensor, nn

from cnncli.errors import CompileError

_WEIGHT_LAYERS = (nn.Linear, nn.Conv2d)
_MAP, _TOKENS = 4, 3
"""Dimensions of a feature map (N, D, H, W) and of a sequence of tokens (N, L, D)."""


class WithEmbedding(nn.Module):
    """A network that returns (logits (N, K), embedding (N, D)); D is `width` once it has run."""

    def __init__(self, network: nn.Module, last: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._last = [last]  # in a list, so that its weights are not registered twice
        self.width = 0
        self.train(network.training)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Both answers for images (N, C, H, W)."""
        entering: list[Tensor] = []
        handle = self._last[0].register_forward_pre_hook(lambda _, inputs: entering.append(inputs[0]))
        try:
            logits = self.network(images)
        finally:
            handle.remove()
        embedding = _pooled(entering[-1])
        self.width = int(embedding.shape[1])
        return logits, embedding


def _pooled(features: Tensor) -> Tensor:
    if features.ndim == _MAP:
        return features.mean((2, 3))
    return features.mean(1) if features.ndim == _TOKENS else features


def with_embedding(network: nn.Module, shape: tuple[int, int, int]) -> WithEmbedding:
    """A network wrapped so that it returns its embedding, too; it runs once, to see which weight layer is last.

    Args:
        network: in evaluation mode, on the CPU.
        shape: (C, H, W) of its input.

    Raises:
        CompileError: it does not run on such images, or has no weight layer.
    """
    order: list[nn.Module] = []
    layers = [layer for layer in network.modules() if isinstance(layer, _WEIGHT_LAYERS)]
    handles = [layer.register_forward_hook(lambda layer, _, __: order.append(layer)) for layer in layers]
    try:
        with torch.inference_mode():
            images = torch.zeros(1, *shape)
            network(images)
            if not order:
                raise CompileError("the network has no convolution and no linear layer")
            for handle in handles:
                handle.remove()
            wrapped = WithEmbedding(network, order[-1])
            wrapped(images)
    except (RuntimeError, ValueError, AssertionError, TypeError) as error:
        size = " x ".join(map(str, shape))
        raise CompileError(f"the network does not run on images of {size}: {error}") from error
    return wrapped
