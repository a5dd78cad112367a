"""A network as a sequence of stages, from the image to the logits: what is frozen, and the learning rate of each stage."""

from collections.abc import Iterable, Iterator

from torch import nn

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import UsageError

_TRUNK = 0.6
"""A module with at least this share of a network's weight layers is its trunk, and is divided further."""


@frozen_dataclass
class Stage:
    """A module with weights.

    Attributes:
        name: name of the module.
        modules: the module itself, and norm layers that follow it.
    """

    name: str
    modules: tuple[nn.Module, ...]

    def parameters(self) -> Iterator[nn.Parameter]:
        """The parameters of all its modules."""
        for module in self.modules:
            yield from module.parameters()


def stages(network: nn.Module, head: str) -> list[Stage]:
    """The stages in order, as a summary shows them, without the layer that gives the logits.

    Where most of the network is inside one module (`features` of torchvision's VGG), its children are stages instead.

    Args:
        network: the network.
        head: the name of its last layer.
    """
    last = network.get_submodule(head)
    sequence: list[Stage] = []
    for name, module in _stage_modules(network, "", _layers(network), last):
        if sequence and _is_norm(module):
            sequence[-1] = Stage(sequence[-1].name, (*sequence[-1].modules, module))
        else:
            sequence.append(Stage(name, (module,)))
    return sequence


def _stage_modules(
    module: nn.Module, prefix: str, layer_count: int, last: nn.Module
) -> Iterator[tuple[str, nn.Module]]:
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        if child is last or not any(True for _ in child.parameters()):
            continue
        holds_last = any(inner is last for inner in child.modules())
        if holds_last or (_layers(child) >= _TRUNK * layer_count and any(True for _ in child.children())):
            yield from _stage_modules(child, f"{path}.", layer_count, last)
        else:
            yield path, child


def _layers(module: nn.Module) -> int:
    """Number of weight layers: parameters of two or more dimensions."""
    return sum(parameter.ndim > 1 for parameter in module.parameters())


def _is_norm(module: nn.Module) -> bool:
    """Whether all parameters have one dimension."""
    return all(parameter.ndim <= 1 for parameter in module.parameters())


def upper_half(network: nn.Module, head: str) -> int:
    """How many of the last stages are the upper half, rounded up; 0 for a network with a single stage, which has no lower half."""
    total = len(stages(network, head))
    lower = total // 2
    return total - lower if lower else 0


def freeze_below(network: nn.Module, head: str, count: int) -> list[nn.Module]:
    """Freeze everything below the last `count` stages and the last layer, and return the modules that stay trainable.

    Args:
        network: the network.
        head: the name of its last layer.
        count: number of stages; 0 trains the last layer only.

    Raises:
        UsageError: the network has fewer stages.
    """
    sequence = stages(network, head)
    if count >= len(sequence):
        names = ", ".join(stage.name for stage in sequence)
        raise UsageError(
            f"--tune last:{count} needs more stages than this network has: {len(sequence)} ({names})",
            "--tune full trains all of it",
        )
    trainable = [
        network.get_submodule(head),
        *(module for stage in sequence[len(sequence) - count :] for module in stage.modules),
    ]
    network.requires_grad_(requires_grad=False)
    for module in trainable:
        module.requires_grad_(requires_grad=True)
    return trainable


def set_training_mode(
    network: nn.Module, trainable: Iterable[nn.Module] | None, *, freezes_statistics: bool
) -> None:
    """Put the trainable modules into training mode and the others, including norm layers and dropout, into evaluation mode.

    Args:
        network: the network to train.
        trainable: the modules to train; None for the whole network.
        freezes_statistics: whether batch norms stay in evaluation mode and keep their running statistics.
    """
    network.train(trainable is None)
    for module in trainable or ():
        module.train()
    if freezes_statistics:
        for norm in filter(_has_statistics, network.modules()):
            norm.eval()


def _has_statistics(module: nn.Module) -> bool:
    return isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.SyncBatchNorm)


def parameter_groups(
    network: nn.Module, head: str, weight_decay: float, layer_decay: float
) -> list[dict[str, object]]:
    """Parameter groups for an optimiser: no weight decay for biases and norm layers, smaller learning rates for lower stages.

    Args:
        network: the network; only its trainable parameters are in a group.
        head: the name of its last layer.
        weight_decay: weight decay of weights.
        layer_decay: factor of the learning rate from each stage to the one below it.

    Returns:
        Groups with `params`, `weight_decay` and `lr_scale`, the factor of the learning rate.
    """
    sequence = stages(network, head)
    # Parameters in no stage count as the lowest one.
    depth: dict[int, int] = {id(parameter): len(sequence) for parameter in network.parameters()}
    for number, stage in enumerate(sequence):
        for parameter in stage.parameters():
            depth[id(parameter)] = len(sequence) - number
    for parameter in network.get_submodule(head).parameters():
        depth[id(parameter)] = 0
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for parameter in network.parameters():
        if parameter.requires_grad:
            groups.setdefault((depth[id(parameter)], parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "weight_decay": weight_decay if decays else 0.0,
            "lr_scale": layer_decay**distance,
        }
        for (distance, decays), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]
