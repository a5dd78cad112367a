"""Candidates are the nearest, also where only embeddings in a cell are compared."""

import numpy as np
import pytest

from cnncli.records.features import Vectors
from cnncli.retrieval import candidates
from cnncli.retrieval.candidates import Pairs, cosine_distances, near_pairs, unit


def scattered(count: int, seed: int = 0, width: int = 400) -> Vectors:
    """Vectors around twenty centres."""
    draws = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(20, width))
    noise = draws.normal(size=(count, width))
    return (centres[draws.integers(0, 20, count)] + noise).astype(np.float32)


def with_copies(count: int, copies: int) -> Vectors:
    """Vectors whose last ones are nearly the first ones."""
    vectors = scattered(count)
    vectors[-copies:] = vectors[:copies] + 0.3 * scattered(copies, seed=1)
    return vectors


def as_set(pairs: Pairs) -> set[tuple[int, int]]:
    return set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))


def test_few_are_all_compared() -> None:
    vectors = scattered(60)
    similarities = unit(vectors) @ unit(vectors).T
    np.fill_diagonal(similarities, -1)
    nearest = np.argsort(-similarities, axis=1)[:, : candidates.NEIGHBOURS]
    expected = {(min(row, other), max(row, other)) for row in range(60) for other in nearest[row].tolist()}
    assert as_set(near_pairs(vectors, None, 2)) == expected


@pytest.mark.parametrize("largest", [10**6, 100])
def test_copies_among_many_share_a_cell(monkeypatch: pytest.MonkeyPatch, largest: int) -> None:
    monkeypatch.setattr(candidates, "_EXACT", 100)
    vectors = with_copies(2000, 200)
    expected = {(row, row + 1800) for row in range(200)}
    assert len(expected & as_set(near_pairs(vectors, None, 2))) >= 196
    monkeypatch.setattr(candidates, "_LARGEST", largest)
    assert len(as_set(near_pairs(vectors, None, 2))) > 2000
    monkeypatch.setattr(candidates, "_ROWS", 64)
    assert len(as_set(near_pairs(vectors, None, 2)) & expected) >= (196 if largest > 100 else 100)


@pytest.mark.parametrize("exact", [10**6, 100])
def test_pairs_of_two_collections(monkeypatch: pytest.MonkeyPatch, exact: int) -> None:
    monkeypatch.setattr(candidates, "_EXACT", exact)
    others = scattered(900)
    vectors = (others[100:200] + 0.3 * scattered(100, seed=2)).astype(np.float32)
    pairs = near_pairs(vectors, others, 2)
    assert len({(row, row + 100) for row in range(100)} & as_set(pairs)) >= 98
    assert pairs.first.max() < 100
    assert pairs.second.max() < 900


def test_one_embedding_has_no_pair_and_zero_vectors_are_no_problem() -> None:
    assert as_set(near_pairs(scattered(1), None, 1)) == set()
    pairs = near_pairs(np.zeros((3, 5), np.float32), None, 1)
    assert (
        cosine_distances(np.zeros((3, 5), np.float32), np.zeros((3, 5), np.float32), pairs).tolist()
        == [0] * 3
    )
