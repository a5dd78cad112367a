"""Match the classes of a data set with those of a network: by name, synset, index, or a list of pairs."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import DataError
from cnncli.networks.class_groups import group_classes
from cnncli.networks.class_names import find_unique, namings
from cnncli.networks.labels import read_name_pairs
from cnncli.records.networks import ModelCard

ClassMap = Mapping[str, Sequence[str]]
"""The network's names for classes of the data; one class of the data may be several of the network's."""

_MOST_LISTED = 10
"""Unknown classes that an error message names."""


@frozen_dataclass
class ClassMatch:
    """The classes of an evaluation, and the positions of the data's classes among them.

    Attributes:
        class_names: G names.
        groups: (K,), index among the G that each class of the network counts as; negative for none. None if the G classes
            are all K of the network, in the same order.
        indices: index among the G of each class of the data; negative where it does not occur.
    """

    class_names: tuple[str, ...]
    groups: NDArray[np.intp] | None
    indices: tuple[int, ...]


def match_classes(
    names: Sequence[str],
    occurring: Sequence[int],
    card: ModelCard,
    class_map: ClassMap | None,
    *,
    subset: bool,
) -> ClassMatch:
    """Find the classes of a data set among those of a network.

    Args:
        names: classes of the data.
        occurring: indices of those that have images.
        card: the network's card.
        class_map: the network's names for the data's classes; None without --map.
        subset: whether only the classes that occur can be predicted.

    Raises:
        DataError: the network does not have a class, or two classes are the same class of the network.
    """
    occurring_names = [names[index] for index in occurring]
    matches = _find_all(occurring_names, card, class_map or {})
    _require_distinct(occurring_names, matches, card)
    if not subset and all(len(indices) == 1 for indices in matches.values()):
        order = {name: indices[0] for name, indices in matches.items()}
        return ClassMatch(card.class_names, None, tuple(order.get(name, -1) for name in names))
    members = []
    for name in occurring_names:
        # Otherwise the data's name may be an index, for example.
        is_name = name in (class_map or {}) or len(matches[name]) > 1
        members.append((name if is_name else card.class_names[matches[name][0]], matches[name]))
    titles, groups = group_classes(members, card.class_names, keep_others=not subset)
    order = {name: index for index, name in enumerate(occurring_names)}
    return ClassMatch(titles, groups, tuple(order.get(name, -1) for name in names))


def _require_distinct(names: Sequence[str], matches: Mapping[str, Sequence[int]], card: ModelCard) -> None:
    """Check that no two classes of the data are the same class of the network."""
    counts = Counter(index for indices in matches.values() for index in indices)
    if repeated := [index for index, count in counts.items() if count > 1]:
        both = [name for name in names if repeated[0] in matches[name]]
        raise DataError(
            f"{' and '.join(map(repr, both))} are both {card.class_names[repeated[0]]!r} in {card.name}",
            "use --map FILE to say which class each is",
        )


def align_classes(first: ClassMatch, other: ClassMatch) -> ClassMatch:
    """The classes of another network in the order of the first one's, so that their probabilities can be averaged.

    Raises:
        DataError: they are not the same classes.
    """
    if other.class_names == first.class_names:
        return other
    order = {name: index for index, name in enumerate(first.class_names)}
    if len(order) < len(first.class_names) or sorted(other.class_names) != sorted(order):
        raise DataError(
            "these networks have different classes, so their predictions cannot be averaged",
            "--subset keeps only the classes of the data, which may be the same",
        )
    positions = np.array([order[name] for name in other.class_names], np.intp)
    groups = positions if other.groups is None else np.where(other.groups < 0, -1, positions[other.groups])
    indices = tuple(int(positions[index]) if index >= 0 else index for index in other.indices)
    return ClassMatch(first.class_names, groups, indices)


def read_class_map(file: Path) -> dict[str, list[str]]:
    """Read the network's names for classes of the data: two columns of a CSV or TSV file, the data's name first.

    A class of the data on several lines stands for all of these classes of the network.

    Raises:
        UsageError: the file cannot be read, or is not such a list.
    """
    class_map: dict[str, list[str]] = defaultdict(list)
    for name, own_name in read_name_pairs(file, "--map", ("the data's name", "the network's name")):
        class_map[name].append(own_name)
    return dict(class_map)


def _find_all(names: Sequence[str], card: ModelCard, class_map: ClassMap) -> dict[str, Sequence[int]]:
    """Indices of the network's classes for each name.

    Names in the class map are looked up in every naming; a network that knows none of the mapped names may know the name
    itself, as one trained on this data does. All other names must be of one naming: the one that matches most of them.

    Raises:
        DataError: a name is unknown or ambiguous.
    """
    ways = namings(card)
    matches: dict[str, Sequence[int]] = {}
    for name in names:
        mapped = [find_unique(word, ways) for word in dict.fromkeys(class_map.get(name, ()))]
        if mapped and all(index is not None for index in mapped):
            matches[name] = [index for index in mapped if index is not None]
    others = [name for name in names if name not in matches]
    # Ties go to the first naming.
    naming = max(ways, key=lambda naming: sum(bool(naming.find(name)) for name in others))
    unclear = {name: indices for name in others if len(indices := naming.find(name)) != 1}
    if unclear:
        raise _unclear_error(unclear, card, class_map)
    return matches | {name: naming.find(name) for name in others}


def _unclear_error(unclear: Mapping[str, Sequence[int]], card: ModelCard, class_map: ClassMap) -> DataError:
    if unknown := [name for name, indices in unclear.items() if not indices]:
        words = [", ".join(map(repr, class_map.get(name, [name]))) for name in unknown]
        names = ", ".join(words[:_MOST_LISTED]) + (", …" if len(words) > _MOST_LISTED else "")
        examples = ", ".join(map(repr, card.class_names[:3]))
        return DataError(
            f"{card.name} does not have {len(unknown):,} of the classes: {names}",
            f"it has {len(card.class_names):,} classes, e.g. {examples}; use --map FILE to say which are which",
        )
    name, indices = next(iter(unclear.items()))
    return DataError(
        f"{card.name} has {len(indices)} classes named {name!r}",
        "name the folders by WordNet identifier or index, or use --map FILE to say which one is meant",
    )
