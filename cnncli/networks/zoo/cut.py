"""A network that is cut at an inner layer, whose pooled output is its embedding; what comes after the layer is removed."""

import contextlib
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

import torch
from torch import Tensor, nn

from cnncli.errors import UsageError
from cnncli.networks.zoo.layers import (
    capture_outputs,
    explain_failures,
    find_layer,
    output_per_image,
    pooling,
)


class CutNetwork(nn.Module):
    """The part of a network up to a layer, pooling, and a linear classifier if there are classes."""

    def __init__(self, network: nn.Module, layer: str, shape: tuple[int, int, int], num_classes: int) -> None:
        """Cut a network.

        Args:
            network: the whole network, in evaluation mode; it is changed.
            layer: name of the layer. One that is called more than once counts when it is called for the last time.
            shape: (C, H, W) of the input.
            num_classes: K; 0 for no classifier.

        Raises:
            UsageError: there is no such layer, it is not called, it does not give one output per image, or the output does
                not depend on any weights.
        """
        super().__init__()
        self.network = network
        self._layer, self._calls = layer, 0
        images = torch.zeros(2, *shape)
        with explain_failures(shape):
            with torch.no_grad(), capture_outputs({layer: find_layer(network, layer)}) as outputs:
                self._calls = len(self._layer_outputs(images))
            output = output_per_image(layer, outputs, len(images))
            with torch.enable_grad(), _collect_entered(network) as entered:
                used = _parameters_behind(self._layer_outputs(images)[-1], network)
        if not used:
            raise UsageError(f"{layer} depends on no weights", "name a later layer")
        _remove_unused(network, find_layer(network, layer), entered, used)
        self._pool = pooling(output.shape, images.shape[2:])
        width = self._pool(output).shape[1]
        self.head = nn.Linear(width, num_classes) if num_classes else None

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K) for images (N, C, H, W); embeddings (N, D) if there is no classifier."""
        embedding = self._pool(self._layer_outputs(images)[-1])
        return self.head(embedding) if self.head else embedding

    def _layer_outputs(self, images: Tensor) -> list[Tensor]:
        """The outputs of the layer's calls in one forward pass, which ends after the last of them."""
        outputs: list[Tensor] = []

        def store(_: nn.Module, __: object, output: object) -> None:
            tensor = _first_tensor(output)
            if tensor is None:
                return
            if torch.compiler.is_exporting():  # which cannot follow an exception out of a module
                outputs.append(tensor.clone())  # since the next layer may overwrite it in place
                return
            outputs.append(tensor)
            if len(outputs) == self._calls:
                raise _LayerReached

        handle = find_layer(self.network, self._layer).register_forward_hook(store)
        try:
            with contextlib.suppress(_LayerReached):
                self.network(images)
        finally:
            handle.remove()
        return outputs


def _first_tensor(output: object) -> Tensor | None:
    """The output of a layer, or the first of several; None where that is no tensor."""
    if isinstance(output, tuple | list) and output:
        return _first_tensor(output[0])
    return output if isinstance(output, Tensor) else None


class _LayerReached(Exception):  # noqa: N818 - a signal, not an error
    """Ends a forward pass at the layer where the network is cut."""


@contextlib.contextmanager
def _collect_entered(network: nn.Module) -> Iterator[set[nn.Module]]:
    """Collect the modules that are called until the block ends."""
    entered: set[nn.Module] = set()
    handles = [
        module.register_forward_pre_hook(lambda module, _: entered.add(module))
        for module in network.modules()
    ]
    try:
        yield entered
    finally:
        for handle in handles:
            handle.remove()


def _parameters_behind(output: Tensor, network: nn.Module) -> set[nn.Parameter]:
    """The parameters on which an output depends: those that it has a gradient for."""
    if not output.requires_grad:
        return set()
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    gradients: Sequence[Tensor | None] = torch.autograd.grad(output.sum(), parameters, allow_unused=True)
    return {
        parameter for parameter, gradient in zip(parameters, gradients, strict=True) if gradient is not None
    }


def _remove_unused(
    module: nn.Module, layer: nn.Module, entered: AbstractSet[nn.Module], used: AbstractSet[nn.Parameter]
) -> None:
    """Remove from a module that contains a layer, or is never called, what the layer's output does not depend on.

    Modules with weights are replaced by an empty sequence, which can be called and iterated over, and other weights by zeros,
    since `torch.export` runs all of the network. Modules without weights stay: code before the layer may read their attributes,
    as attention reads the rate of its dropout.

    Args:
        module: the module.
        layer: the layer where the network is cut.
        entered: the modules that are called before the layer returns.
        used: the parameters on which its output depends.
    """
    for name, parameter in list(module.named_parameters(recurse=False)):
        if parameter.requires_grad and parameter not in used:
            delattr(module, name)
            module.register_buffer(name, torch.zeros_like(parameter), persistent=False)
    for name, child in list(module.named_children()):
        if entered.isdisjoint(child.modules()) and used.isdisjoint(child.parameters()):
            if child.state_dict():
                setattr(module, name, nn.Sequential())
        elif child is not layer and (child not in entered or layer in child.modules()):
            _remove_unused(child, layer, entered, used)
