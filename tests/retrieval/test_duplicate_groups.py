"""Groups hold near duplicates of their first image only."""

import math

import numpy as np

from cnncli.retrieval.candidates import Pairs
from cnncli.retrieval.duplicate_groups import by_first, group
from cnncli.retrieval.duplicates import DuplicatePairs


def duplicates(*edges: tuple[int, int], score: float = 0.9) -> DuplicatePairs:
    first, second = (
        (np.array(rows, np.intp) for rows in zip(*edges, strict=True))
        if edges
        else (np.empty(0, np.intp),) * 2
    )
    return DuplicatePairs(
        Pairs(first, second), np.full(len(edges), score, np.float32), np.full(len(edges), 0.1, np.float32)
    )


def groups(*edges: tuple[int, int], others: tuple[tuple[int, int], ...] = ()) -> list[list[int]]:
    """Groups of images of which some pairs are known to be near duplicates, and others can be found to be."""

    def select(pairs: Pairs) -> DuplicatePairs:
        asked = zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)
        return duplicates(*(pair for pair in asked if pair in others or pair[::-1] in others))

    return [[member.row for member in members] for members in group(duplicates(*edges), select)]


def test_a_chain_is_no_group() -> None:
    assert groups((0, 1), (1, 2), (2, 3), (3, 4)) == [[1, 0, 2], [3, 4]]


def test_the_image_with_the_most_near_duplicates_is_first() -> None:
    assert groups((2, 5), (5, 7), (5, 9), (0, 1)) == [[0, 1], [5, 2, 7, 9]]


def test_copies_that_were_not_proposed_as_pairs_join() -> None:
    assert groups((0, 1), (1, 2), (2, 3), others=((1, 3),)) == [[1, 0, 2, 3]]


def test_nothing_is_no_group() -> None:
    assert groups() == []


def test_the_best_matches_in_another_collection_come_first() -> None:
    pairs = DuplicatePairs(
        Pairs(np.array([4, 0, 4]), np.array([1, 1, 0])),
        np.array([0.7, math.nan, 0.9], np.float32),
        np.array([0.1, 0.05, 0.2], np.float32),
    )
    assert [[member.row for member in members] for members in by_first(pairs)] == [[0, 1], [4, 0, 1]]
