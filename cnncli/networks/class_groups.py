"""Classes of a network that are counted together or left out, and what becomes of their probabilities.

`evaluate --subset` and `--map` use it, and `predict --classes` and `--rollup`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

ClassGroups = NDArray[np.intp]
"""(K,): index among G groups that each class of a network counts as; negative leaves it out."""


def group_classes(
    members: Sequence[tuple[str, Sequence[int]]], class_names: Sequence[str], *, keep_others: bool
) -> tuple[tuple[str, ...], ClassGroups]:
    """The names of G groups, and the group of each class.

    Args:
        members: name and classes of each group, as indices; no class is in two.
        class_names: of the network, K.
        keep_others: whether each class that is in no group is one of its own, after the others, or left out.
    """
    groups = np.full(len(class_names), -1, np.intp)
    for place, (_, indices) in enumerate(members):
        groups[list(indices)] = place
    names = [name for name, _ in members]
    if keep_others:
        others = np.flatnonzero(groups < 0)
        groups[others] = np.arange(len(names), len(names) + len(others))
        names += [class_names[index] for index in others.tolist()]
    return tuple(names), groups


def merge_classes(shares: NDArray[np.float32], groups: NDArray[np.intp]) -> NDArray[np.float32]:
    """Probabilities (N, G) from (N, K): classes of a group are added up, and scaled to a sum of 1 if some are left out."""
    is_included = groups >= 0
    merged = np.zeros((len(shares), int(groups.max()) + 1), np.float32)
    np.add.at(merged.T, groups[is_included], shares.T[is_included])
    if not is_included.all():
        merged /= np.maximum(merged.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return merged
