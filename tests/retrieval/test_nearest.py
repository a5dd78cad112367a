"""Exact search is exact, however the vectors fall into blocks."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncli.records.choices import DistanceMetric
from cnncli.retrieval import nearest as search
from cnncli.retrieval.nearest import nearest


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "BLOCK", 16)


def brute(queries: Any, vectors: Any, metric: DistanceMetric) -> Any:
    one, other = queries.astype(float)[:, None], vectors.astype(float)[None]
    if metric is DistanceMetric.EUCLIDEAN:
        return np.sqrt(((one - other) ** 2).sum(-1))
    return 1 - (one * other).sum(-1) / np.linalg.norm(one, axis=-1) / np.linalg.norm(other, axis=-1)


@given(st.integers(1, 70), st.integers(1, 5), st.integers(0, 999), st.sampled_from(list(DistanceMetric)))
@settings(deadline=None)
def test_results_agree_with_brute_force(count: int, k: int, seed: int, metric: DistanceMetric) -> None:
    draws = np.random.default_rng(seed)
    vectors = draws.normal(3, 1, (count, 6)).astype(np.float32)
    queries = draws.normal(3, 1, (3, 6)).astype(np.float32)
    k = min(k, count)
    places, far = nearest(queries, vectors, k, metric)
    expected = brute(queries, vectors, metric)
    np.testing.assert_array_equal(places, np.argsort(expected, axis=1, kind="stable")[:, :k])
    np.testing.assert_allclose(far, np.sort(expected, axis=1)[:, :k], atol=1e-6)


def test_vectors_far_from_the_origin_keep_their_order() -> None:
    """Where squares are large and differences small, float32 products alone would mix them up."""
    vectors = (1000 + np.arange(40)[:, None] * 0.01 * np.ones(4)).astype(np.float32)
    places, far = nearest(vectors[7:8], vectors, 3, DistanceMetric.EUCLIDEAN)
    assert places[0, 0] == 7
    assert far[0, 0] == 0
    assert set(places[0]) == {6, 7, 8}


@pytest.mark.parametrize("block", [7, 16, 100_000])
def test_ties_keep_their_order(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "BLOCK", block)
    vectors = np.zeros((4000, 3), np.float32)
    vectors[1234] = 1
    places, _ = nearest(np.ones((2, 3), np.float32), vectors, 4, DistanceMetric.EUCLIDEAN)
    assert places.tolist() == [[1234, 0, 1, 2]] * 2


def test_more_queries_than_fit_into_a_block() -> None:
    draws = np.random.default_rng(0)
    vectors = draws.normal(size=(50, 4)).astype(np.float32)
    queries = draws.normal(size=(150, 4)).astype(np.float32)
    places, _ = nearest(queries, vectors, 2, DistanceMetric.COSINE)
    expected = np.argsort(brute(queries, vectors, DistanceMetric.COSINE), axis=1, kind="stable")[:, :2]
    np.testing.assert_array_equal(places, expected)
