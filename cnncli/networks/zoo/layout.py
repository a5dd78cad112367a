"""Which tensors of a checkpoint are a network's, and what they are called there.

Training code often holds a network in a module of its own: Lightning's `model.` beside `criterion.`, MMPretrain's `backbone.` beside
`head.fc.`, fastai's body `0.` beside its head `1.`, `module.` of DataParallel.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping

from torch import Tensor, nn

from cnncli.dataclass import frozen_dataclass
from cnncli.networks.zoo.weights import StateDict, is_optional

_WRAPPERS = ("module.", "_orig_mod.", "model.", "net.", "network.", "backbone.", "encoder.", "timm_model.")
"""Prefixes that are removed from the names of a network whose own names are unknown, where all tensors have them."""

_HEADS = ("head", "cls_head", "classifier", "fc", "linear", "1")
"""Names of a classifier beside the module that holds the rest of the network; fastai and nn.Sequential call it 1."""

_LOSS_OR_METRIC = re.compile("criterion|loss|metric|acc", re.IGNORECASE)
"""In names of modules that training code keeps beside the layers of a network."""


@frozen_dataclass
class NetworkTensors:
    """The tensors of a checkpoint, divided.

    Attributes:
        inside: the network's, under its own names, or under other names of its authors.
        outside: all others, under their names in the file.
        prefix: of the network's names in the file.
    """

    inside: StateDict
    outside: StateDict
    prefix: str = ""


def divide(tensors: StateDict, network: nn.Module) -> NetworkTensors:
    """Find a network's tensors in a checkpoint, under the prefix where most of its names are."""
    tensors = {name: value for name, value in tensors.items() if name.rpartition(".")[2] != "n_averaged"}
    own_names = {name: name for name in network.state_dict() if not is_optional(name)}
    for names in (own_names, _numbered_names(own_names, network)):
        prefix = _common_prefix(tensors, names)
        if prefix is not None:
            return _take(tensors, prefix, network, is_numbered=names is not own_names)
    return NetworkTensors(_strip_wrappers(tensors), {})


def _numbered_names(names: Collection[str], network: nn.Module) -> dict[str, str]:
    """Names as in nn.Sequential(*network.children()), from which fastai makes its bodies, and the network's own."""
    numbers = {name: str(number) for number, (name, _) in enumerate(network.named_children())}
    split = [(*name.partition("."), name) for name in names]
    return {f"{numbers[child]}.{rest}": name for child, _, rest, name in split if child in numbers}


def _common_prefix(tensors: Collection[str], names: Collection[str]) -> str | None:
    """The prefix under which most of these names are found; None where none has half of them."""
    counts: Counter[str] = Counter()
    for name in tensors:
        parts = name.split(".")
        ends = (".".join(parts[start:]) for start in range(len(parts)))
        counts.update(name.removesuffix(end) for end in ends if end in names)
    prefix, count = max(counts.items(), key=lambda item: item[1], default=("", 0))
    return prefix if count >= max(len(names) / 2, 1) else None


def _take(tensors: StateDict, prefix: str, network: nn.Module, *, is_numbered: bool) -> NetworkTensors:
    """Divide the tensors by a prefix; numbers of children become their names."""
    children = [name for name, _ in network.named_children()] if is_numbered else []
    inside: StateDict = {}
    for name in tensors:
        if name.startswith(prefix):
            child, dot, rest = name.removeprefix(prefix).partition(".")
            if child.isdecimal() and int(child) < len(children):
                child = children[int(child)]
            inside[child + dot + rest] = tensors[name]
    outside = {name: value for name, value in tensors.items() if not name.startswith(prefix)}
    own = {name.partition(".")[0] for name in network.state_dict()}
    for name in list(inside) if not prefix else ():
        child = name.partition(".")[0]
        if child not in own and _LOSS_OR_METRIC.search(child):
            outside[name] = inside.pop(name)
    return NetworkTensors(inside, outside, prefix)


def _strip_wrappers(tensors: StateDict) -> StateDict:
    """Remove the usual prefixes that all names have."""
    for prefix in _WRAPPERS:
        if tensors and all(name.startswith(prefix) for name in tensors):
            return _strip_wrappers({name.removeprefix(prefix): value for name, value in tensors.items()})
    return tensors


def find_classifier(
    content: NetworkTensors, own: Mapping[str, Tensor], backbone: Collection[str]
) -> str | None:
    """The layer that is the classifier in a checkpoint, where it has another name than in the network.

    Args:
        content: the divided checkpoint.
        own: the tensors of the network's own classifier, one layer.
        backbone: the names of all its other tensors.

    Returns:
        None, unless the file has exactly one layer where classifiers are, and it fits but for the number of classes.
    """
    shapes = {name.rpartition(".")[2]: value.shape[1:] for name, value in own.items()}
    layers = {name.rpartition(".")[0] for name in classifier_names(content, own, backbone)}
    if len(layers) != 1:
        return None
    (layer,) = layers
    return (
        layer
        if {name: value.shape[1:] for name, value in layer_tensors(content, layer).items()} == shapes
        else None
    )


def classifier_names(content: NetworkTensors, own: Collection[str], backbone: Collection[str]) -> list[str]:
    """The tensors of a checkpoint that may be a classifier: in place of the network's own, or beside the rest of it."""
    roots = {name.partition(".")[0] for name in own}
    parent = content.prefix[:-1].rpartition(".")[0]
    start = f"{parent}." if parent else ""
    return [
        *(name for name in content.inside if name not in backbone and name.partition(".")[0] in roots),
        *(
            name
            for name in content.outside
            if name.startswith(start) and name.removeprefix(start).partition(".")[0] in _HEADS
        ),
    ]


def layer_tensors(content: NetworkTensors, layer: str) -> StateDict:
    """The tensors of a layer, by their names in it, such as weight and bias."""
    everything = content.outside | content.inside
    return {
        name.rpartition(".")[2]: value
        for name, value in everything.items()
        if name.rpartition(".")[0] == layer
    }
