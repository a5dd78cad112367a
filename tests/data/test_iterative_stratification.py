"""Iterative stratification: the same share of each class, whatever classes an image has."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncli.data.iterative_stratification import choose_stratified


@settings(max_examples=30)
@given(classes=st.lists(st.integers(0, 5), min_size=1, max_size=60), share=st.floats(0.01, 0.99))
def test_the_first_images_of_each_class_are_chosen_where_each_has_one(
    classes: list[int], share: float
) -> None:
    expected = []
    for label in set(classes):
        members = [index for index, other in enumerate(classes) if other == label]
        expected += members[: min(max(round(share * len(members)), 1), len(members) - 1)]
    assert sorted(choose_stratified([(label,) for label in classes], share)) == sorted(expected)


@settings(max_examples=30)
@given(
    classes=st.lists(st.sets(st.integers(0, 4), max_size=3), min_size=1, max_size=60),
    share=st.floats(0.01, 0.99),
)
def test_no_class_is_chosen_as_a_whole(classes: list[set[int]], share: float) -> None:
    labels = [tuple(sorted(names)) for names in classes]
    chosen = list(choose_stratified(labels, share))
    assert len(chosen) == len(set(chosen))
    total = Counter(label for names in labels for label in names)
    held = Counter(label for index in chosen for label in labels[index])
    assert all(held[label] < count for label, count in total.items())


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_every_class_has_the_share(share: float) -> None:
    rng = np.random.default_rng(0)
    frequencies = [0.5, 0.3, 0.1, 0.05, 0.02, 0.01]
    labels = [tuple(np.flatnonzero(rng.random(6) < frequencies).tolist()) for _ in range(2000)]
    chosen = list(choose_stratified(labels, share))
    assert len(chosen) == pytest.approx(2000 * share, abs=8)
    for label in range(6):
        total = sum(label in names for names in labels)
        held = sum(label in labels[index] for index in chosen)
        assert held == pytest.approx(share * total, abs=1)


def test_images_without_a_class_are_divided_too() -> None:
    assert list(choose_stratified([()] * 10, 0.3)) == [0, 1, 2]
