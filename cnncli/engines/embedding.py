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
    """A network that returns (logits (N, K), embedding (N, D))."""

    def __init__(self, network: nn.Module, last: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._last = [last]  # in a list, so that its weights are not registered twice
        self.train(network.training)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Both answers for images (N, C, H, W)."""
        entering: list[Tensor] = []
        handle = self._last[0].register_forward_pre_hook(lambda _, inputs: entering.append(inputs[0]))
        try:
            logits = self.network(images)
        finally:
            handle.remove()
        return logits, _pooled(entering[-1])


def _pooled(features: Tensor) -> Tensor:
    if features.ndim == _MAP:
        return features.mean((2, 3))
    return features.mean(1) if features.ndim == _TOKENS else features


def with_embedding(network: nn.Module, images: Tensor) -> WithEmbedding:
    """A network wrapped so that it returns its embedding, too.

    Args:
        network: in evaluation mode.
        images: (N, C, H, W), to run it once and see which weight layer comes last.

    Raises:
        CompileError: it does not run on such images, or has no weight layer.
    """
    order: list[nn.Module] = []
    layers = [layer for layer in network.modules() if isinstance(layer, _WEIGHT_LAYERS)]
    handles = [layer.register_forward_hook(lambda layer, _, __: order.append(layer)) for layer in layers]
    try:
        with torch.inference_mode():
            network(images)
    except (RuntimeError, ValueError, AssertionError, TypeError) as error:
        shape = " x ".join(map(str, images.shape[1:]))
        raise CompileError(f"the network does not run on images of {shape}: {error}") from error
    finally:
        for handle in handles:
            handle.remove()
    if not order:
        raise CompileError("the network has no convolution and no linear layer")
    return WithEmbedding(network, order[-1])
