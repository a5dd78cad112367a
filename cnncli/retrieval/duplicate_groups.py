"""Groups of near duplicates in which every image is one of the first: chains of pairs would join strangers."""

from collections import defaultdict
from collections.abc import Callable, Mapping

import numpy as np

from cnncli.dataclass import frozen_dataclass
from cnncli.retrieval.candidates import Pairs
from cnncli.retrieval.duplicates import DuplicatePairs

Select = Callable[[Pairs], DuplicatePairs]
"""Those of some pairs that are near duplicates."""


@frozen_dataclass
class Member:
    """An image of a group.

    Attributes:
        row: of the image.
        score: how well it matches the first of its group; NaN where the pixels could not be compared.
        distance: cosine distance from the first.
    """

    row: int
    score: float
    distance: float


Edges = Mapping[int, Mapping[int, Member]]
"""The near duplicates of each image that has some, by row."""


def edges_of(duplicates: DuplicatePairs) -> Edges:
    """The near duplicates of each image of a collection."""
    edges: dict[int, dict[int, Member]] = defaultdict(dict)
    for first, second, score, distance in duplicates:
        edges[first][second] = Member(second, score, distance)
        edges[second][first] = Member(first, score, distance)
    return edges


def by_first(duplicates: DuplicatePairs) -> list[list[Member]]:
    """The first image of each pair of two collections, and all that are near duplicates of it, the best match first."""
    edges: dict[int, list[Member]] = defaultdict(list)
    for first, second, score, distance in duplicates:
        edges[first].append(Member(second, score, distance))
    return [
        [Member(first, 1.0, 0.0), *sorted(members, key=lambda member: (-member.score, member.distance))]
        for first, members in sorted(edges.items())
    ]


def group(duplicates: DuplicatePairs, select: Select) -> list[list[Member]]:
    """Groups of two or more images, each a near duplicate of the first, which has the most of them; in the order of the firsts.

    Only the nearest of many copies are pairs. So those of a member are compared with the first, too, and join if they are near
    duplicates of it.

    Args:
        duplicates: the pairs.
        select: tells which further pairs are near duplicates.
    """
    edges = edges_of(duplicates)
    is_free = dict.fromkeys(edges, True)
    groups = []
    for first in sorted(edges, key=lambda row: (-len(edges[row]), row)):
        if not is_free[first]:
            continue
        members = {row: member for row, member in edges[first].items() if is_free[row]}
        seen = {first, *members}
        recent = list(members)
        while further := sorted({row for known in recent for row in edges[known] if is_free[row]} - seen):
            seen.update(further)
            joined = _near_first(first, further, select)
            members |= joined
            recent = list(joined)
        if members:
            is_free |= dict.fromkeys([first, *members], False)
            groups.append([Member(first, 1.0, 0.0), *(members[row] for row in sorted(members))])
    return sorted(groups, key=lambda members: members[0].row)


def _near_first(first: int, rows: list[int], select: Select) -> dict[int, Member]:
    """Those of some images that are near duplicates of the first of a group."""
    found = select(Pairs(np.full(len(rows), first), np.array(rows)))
    return {row: Member(row, score, distance) for _, row, score, distance in found}
