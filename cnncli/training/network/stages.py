"""A network as a row of stages, from the one that sees the image to the one that gives the logits."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torch import nn

from cnncli.errors import UsageError

_MOST = 0.6
"""Share of a network's weight layers from which a part is taken for its trunk, and looked into."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a network that has weights.

    Attributes:
        name: of its module.
        modules: it, and norms that stand behind it.
    """

    name: str
    modules: tuple[nn.Module, ...]

    def parameters(self) -> Iterator[nn.Parameter]:
        """Those of all its modules."""
        for module in self.modules:
            yield from module.parameters()


def stages(network: nn.Module, head: str) -> list[Stage]:
    """The parts that a summary shows, in order; the layer that gives the logits is none of them.

    Where most of the network is inside one part (`features` of torchvision's VGG), that one's parts take its place.

    Args:
        network: any.
        head: the name of its last layer.
    """
    last = network.get_submodule(head)
    found: list[Stage] = []
    for name, module in _parts(network, "", _layers(network), last):
        if found and _is_norm(module):
            found[-1] = Stage(found[-1].name, (*found[-1].modules, module))
        else:
            found.append(Stage(name, (module,)))
    return found


def _parts(module: nn.Module, prefix: str, whole: int, last: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        if child is last or not any(True for _ in child.parameters()):
            continue
        holds_last = any(inner is last for inner in child.modules())
        if holds_last or (_layers(child) >= _MOST * whole and any(True for _ in child.children())):
            yield from _parts(child, f"{path}.", whole, last)
        else:
            yield path, child


def _layers(module: nn.Module) -> int:
    """Weight layers: parameters of two or more dimensions."""
    return sum(parameter.ndim > 1 for parameter in module.parameters())


def _is_norm(module: nn.Module) -> bool:
    """Nothing but parameters of one dimension."""
    return all(parameter.ndim <= 1 for parameter in module.parameters())


def frozen_below(network: nn.Module, head: str, count: int) -> list[nn.Module]:
    """What learns when the last `count` stages and the last layer do; all else is frozen.

    Args:
        network: any.
        head: the name of its last layer.
        count: of stages; 0 leaves the last layer alone.

    Raises:
        UsageError: the network has fewer stages.
    """
    row = stages(network, head)
    if count >= len(row):
        names = ", ".join(stage.name for stage in row)
        raise UsageError(
            f"--tune last:{count} is more than this network can keep: it has {len(row)} stages ({names})",
            "--tune full trains all of it",
        )
    learning = [
        network.get_submodule(head),
        *(module for stage in row[len(row) - count :] for module in stage.modules),
    ]
    network.requires_grad_(requires_grad=False)
    for module in learning:
        module.requires_grad_(requires_grad=True)
    return learning


def learning_mode(
    network: nn.Module, learning: Iterable[nn.Module] | None, *, keeps_statistics: bool
) -> None:
    """Norms and dropout of what is frozen behave as when predicting, and so do norms that keep their statistics.

    Args:
        network: to be trained.
        learning: its modules that learn; None where all of them do.
        keeps_statistics: batch norms do not follow those of the batch.
    """
    network.train(learning is None)
    for module in learning or ():
        module.train()
    if keeps_statistics:
        for norm in filter(_has_statistics, network.modules()):
            norm.eval()


def _has_statistics(module: nn.Module) -> bool:
    return isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.SyncBatchNorm)


def parameter_groups(
    network: nn.Module, head: str, weight_decay: float, layer_decay: float
) -> list[dict[str, object]]:
    """Groups for an optimiser: biases and norms without weight decay, lower stages with a smaller learning rate.

    Args:
        network: its parameters that learn.
        head: the name of its last layer.
        weight_decay: of weights.
        layer_decay: factor from each stage to the one below it.

    Returns:
        Groups with `params`, `weight_decay`, and `lr_scale`: what the learning rate is multiplied by.
    """
    row = stages(network, head)
    depth: dict[int, int] = {
        id(parameter): len(row) for parameter in network.parameters()
    }  # of none: the lowest
    for number, stage in enumerate(row):
        for parameter in stage.parameters():
            depth[id(parameter)] = len(row) - number
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
