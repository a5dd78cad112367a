"""The embedding of any network: the pooled input of its last weight layer.

For a ResNet that is what enters `fc`, 2,048 numbers; for SqueezeNet, whose last weights are a 1x1
convolution over the whole map, the average over the map of what enters it, 512 numbers.
"""

import torch
from torch import Tensor, nn

from cnncli.errors import CompileError
from cnncli.networks.layers import answer_of, as_maps, named_layer, watched
from cnncli.records.networks import Embedding

_WEIGHT_LAYERS = (nn.Linear, nn.Conv2d)
_MAP, _TOKENS = 4, 3
"""Dimensions of a feature map (N, D, H, W) and of a sequence of tokens (N, L, D)."""

_ALIKE = 1e-4
"""Largest difference, as a share of the logits' spread, at which the last layer's answer is the logits."""


class WithEmbedding(nn.Module):
    """A network that returns (logits (N, K), embedding (N, D))."""

    def __init__(self, network: nn.Module, layer: str) -> None:
        super().__init__()
        self.network = network
        self.layer = layer
        self.train(network.training)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Both answers for images (N, C, H, W)."""
        return _watched(self.network, self.layer, images)

    def embedding(self, shape: tuple[int, int, int]) -> Embedding:
        """What is to be known of the embedding; asks the network for that of two images (C, H, W)."""
        images = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
        if not self.layer:
            with torch.inference_mode():
                return Embedding(int(self(images)[1].shape[1]), self.layer, gives_logits=False)
        last = self.network.get_submodule(self.layer)
        with torch.inference_mode():
            logits, embedding = self(images)
            maps = embedding if isinstance(last, nn.Linear) else embedding[:, :, None, None]
            try:
                answer = last(maps).flatten(1)
            except RuntimeError:  # a kernel that one pixel is too small for
                answer = torch.zeros(0)
        width = int(embedding.shape[1])
        if answer.shape != logits.shape:
            return Embedding(width, self.layer, gives_logits=False)
        spread = float(logits.max() - logits.min())
        is_alike = float((answer - logits).abs().max()) <= _ALIKE * spread
        return Embedding(width, self.layer, gives_logits=is_alike)


class WithLayer(nn.Module):
    """A network that returns (logits (N, K), what comes out of one of its layers (N, D), pooled)."""

    def __init__(self, network: nn.Module, name: str) -> None:
        """Wrap a network.

        Raises:
            UsageError: it has no such layer.
        """
        super().__init__()
        named_layer(network, name)
        self.network = network
        self.name = name

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Both answers for images (N, C, H, W): of maps the average over positions, of anything else all numbers.

        Raises:
            UsageError: the layer is not used, or has not one answer for each image.
        """
        with watched({self.name: named_layer(self.network, self.name)}) as found:
            logits = self.network(images)
        output = answer_of(self.name, found, len(images))
        maps = as_maps(output, images.shape[2:])
        return logits, output.flatten(1) if maps is None else maps.mean((2, 3))


class OnEmbedding(nn.Module):
    """A linear classifier on a network's embedding, in place of the network's last layer and of all that follows it."""

    def __init__(self, network: nn.Module, layer: str, head: nn.Linear) -> None:
        super().__init__()
        if layer:
            network.set_submodule(layer, nn.Identity())  # what follows it still runs, and nobody listens
        self.network = network
        self.layer = layer
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K) for images (N, C, H, W)."""
        _, embedding = _watched(self.network, self.layer, images)
        logits: Tensor = self.head(embedding)
        return logits


def _watched(network: nn.Module, layer: str, images: Tensor) -> tuple[Tensor, Tensor]:
    """A network's answer, and the pooled input of one of its layers; without a layer its answer twice."""
    if not layer:
        output = _pooled(network(images))
        return output, output.clone()  # two outputs of a graph have two names
    entering: list[Tensor] = []
    last = network.get_submodule(layer)
    handle = last.register_forward_pre_hook(lambda _, inputs: entering.append(inputs[0]))
    try:
        logits = network(images)
    finally:
        handle.remove()
    return logits, _pooled(entering[-1])


def _pooled(features: Tensor) -> Tensor:
    if features.ndim == _MAP:
        return features.mean((2, 3))
    return features.mean(1) if features.ndim == _TOKENS else features


def with_embedding(
    network: nn.Module, shape: tuple[int, int, int], *, has_last_layer: bool = True
) -> WithEmbedding:
    """A network wrapped so that it returns its embedding, too; it runs once, to see which weight layer is last.

    Args:
        network: in evaluation mode, on the CPU.
        shape: (C, H, W) of its input.
        has_last_layer: False for a feature extractor, whose output is its embedding.

    Raises:
        CompileError: it does not run on such images, or has no weight layer.
    """
    order: list[nn.Linear | nn.Conv2d] = []
    names = {layer: name for name, layer in network.named_modules() if isinstance(layer, _WEIGHT_LAYERS)}
    handles = [layer.register_forward_hook(lambda layer, _, __: order.append(layer)) for layer in names]
    try:
        with torch.inference_mode():
            images = torch.zeros(1, *shape)
            network(images)
            if not order:
                raise CompileError("the network has no convolution and no linear layer")
            for handle in handles:
                handle.remove()
            wrapped = WithEmbedding(network, names[order[-1]] if has_last_layer else "")
            wrapped(images)
    except (RuntimeError, ValueError, AssertionError, TypeError) as error:
        size = " x ".join(map(str, shape))
        raise CompileError(f"the network does not run on images of {size}: {error}") from error
    return wrapped
