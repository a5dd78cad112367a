"""The embedding of a network: the pooled input of its last weight layer.

For a ResNet-50 that is the input of `fc`, 2,048 numbers; for SqueezeNet, whose last weight layer is a 1x1 convolution,
the input of that convolution averaged over positions, 512 numbers.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from cnncli.errors import CompileError
from cnncli.networks.zoo.layers import (
    MAP_AXES,
    TOKEN_AXES,
    capture_outputs,
    explain_failures,
    find_layer,
    output_per_image,
    pooling,
)
from cnncli.records.networks import Embedding

_WEIGHT_LAYERS = (nn.Linear, nn.Conv2d)

_TOLERANCE = 1e-4
"""Largest difference between the last layer's output and the logits, relative to the logits' range, to count as equal."""


class WithEmbedding(nn.Module):
    """A network that returns (logits (N, K), embedding (N, D))."""

    def __init__(self, network: nn.Module, layer: str) -> None:
        super().__init__()
        self.network = network
        self.layer = layer
        self.train(network.training)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and embeddings of images (N, C, H, W)."""
        return _logits_and_embedding(self.network, self.layer, images)

    def embedding(self, shape: tuple[int, int, int]) -> Embedding:
        """Describe the embedding, from a forward pass of two random images (C, H, W)."""
        images = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
        if not self.layer:
            with torch.inference_mode():
                return Embedding(int(self(images)[1].shape[1]), self.layer, gives_logits=False)
        last = self.network.get_submodule(self.layer)
        with torch.inference_mode():
            logits, embedding = self(images)
            maps = embedding if isinstance(last, nn.Linear) else embedding[:, :, None, None]
            try:
                output = last(maps).flatten(1)
            except RuntimeError:  # the kernel is larger than one pixel
                output = torch.zeros(0)
        width = int(embedding.shape[1])
        if output.shape != logits.shape:
            return Embedding(width, self.layer, gives_logits=False)
        logit_range = float(logits.max() - logits.min())
        is_equal = float((output - logits).abs().max()) <= _TOLERANCE * logit_range
        return Embedding(width, self.layer, gives_logits=is_equal)


class WithLayerOutput(nn.Module):
    """A network that returns (logits (N, K), pooled output of one of its layers (N, D))."""

    def __init__(self, network: nn.Module, name: str) -> None:
        """Wrap a network.

        Raises:
            UsageError: it has no layer of that name.
        """
        super().__init__()
        find_layer(network, name)
        self.network = network
        self.name = name

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and layer outputs of images (N, C, H, W); pooled as `layers.pooling` says.

        Raises:
            UsageError: the layer is not called, or does not give one output per image.
        """
        with capture_outputs({self.name: find_layer(self.network, self.name)}) as outputs:
            logits = self.network(images)
        output = output_per_image(self.name, outputs, len(images))
        return logits, pooling(output.shape, images.shape[2:])(output)


class LinearOnEmbedding(nn.Module):
    """A linear classifier on a network's embedding; replaces the network's last weight layer and all that follows it."""

    def __init__(self, network: nn.Module, layer: str, head: nn.Linear, *, is_cosine: bool = False) -> None:
        """Wrap a network.

        Args:
            network: it is changed.
            layer: name of its last weight layer; empty where its output is the embedding.
            head: the classifier.
            is_cosine: whether embeddings are scaled to length 1 first.
        """
        super().__init__()
        if layer:
            network.set_submodule(
                layer, nn.Identity()
            )  # layers after it still run, but their output is not used
        self.network = network
        self.layer = layer
        self.head = head
        self._is_cosine = is_cosine

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K) for images (N, C, H, W)."""
        _, embedding = _logits_and_embedding(self.network, self.layer, images)
        logits: Tensor = self.head(functional.normalize(embedding) if self._is_cosine else embedding)
        return logits


def _logits_and_embedding(network: nn.Module, layer: str, images: Tensor) -> tuple[Tensor, Tensor]:
    """A network's output, and the pooled input of one of its layers; without a layer name, the pooled output twice."""
    if not layer:
        output = _pool(network(images))
        return output, output.clone()  # the outputs of an ONNX graph need different names
    layer_inputs: list[Tensor] = []
    last = network.get_submodule(layer)
    handle = last.register_forward_pre_hook(lambda _, inputs: layer_inputs.append(inputs[0]))
    try:
        logits = network(images)
    finally:
        handle.remove()
    return logits, _pool(layer_inputs[-1])


def _pool(features: Tensor) -> Tensor:
    """(N, D): maps (N, D, H, W) or tokens (N, L, D) averaged over positions."""
    if features.ndim == MAP_AXES:
        return features.mean((2, 3))
    return features.mean(1) if features.ndim == TOKEN_AXES else features


def with_embedding(
    network: nn.Module, shape: tuple[int, int, int], *, has_last_layer: bool = True
) -> WithEmbedding:
    """Wrap a network so that it also returns its embedding; a forward pass finds its last weight layer.

    Args:
        network: in evaluation mode, on the CPU.
        shape: (C, H, W) of its input.
        has_last_layer: False for a feature extractor, whose output is the embedding.

    Raises:
        CompileError: it does not run on such images, or has no weight layer.
    """
    order: list[nn.Linear | nn.Conv2d] = []
    names = {layer: name for name, layer in network.named_modules() if isinstance(layer, _WEIGHT_LAYERS)}
    handles = [layer.register_forward_hook(lambda layer, _, __: order.append(layer)) for layer in names]
    with explain_failures(shape), torch.inference_mode():
        images = torch.zeros(1, *shape)
        network(images)
        if not order:
            raise CompileError("the network has no convolution and no linear layer")
        for handle in handles:
            handle.remove()
        wrapped = WithEmbedding(network, names[order[-1]] if has_last_layer else "")
        wrapped(images)
    return wrapped
