"""Probabilities of held-out images: of every image, by classifiers that have not seen it."""

import numpy as np
import pytest

from cnncli.training.features import hyperparameters, scaling
from cnncli.training.features.classifiers import Rows
from cnncli.training.features.held_out import held_out_probabilities


def test_every_image_gets_probabilities_that_do_not_follow_its_own_label(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hyperparameters, "_EXPONENTS", (scaling.COMMON,))
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 8)
    vectors = rng.standard_normal((3, 6))[labels] * 4 + rng.standard_normal((24, 6))
    wrong = labels.copy()
    wrong[[0, 20]] = 2, 0
    # All images of a class are of one group, so that it is unknown where they are held out.
    groups = np.where(labels == 1, 100, np.arange(24))
    probabilities = held_out_probabilities(Rows(vectors[:, np.newaxis], wrong, 3, groups=groups), 0)
    assert np.allclose(probabilities.sum(axis=1), 1)
    known = labels != 1
    assert probabilities[known].argmax(axis=1).tolist() == labels[known].tolist()
    assert (probabilities[~known, 1] < 1e-9).all()


def test_few_images_and_folds_with_a_single_class() -> None:
    vectors = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]])[:, np.newaxis]
    labels = np.array([0, 0, 1, 1])
    probabilities = held_out_probabilities(Rows(vectors, labels, 2), 0)
    assert probabilities.argmax(axis=1).tolist() == [0, 0, 1, 1]
    groups = held_out_probabilities(Rows(vectors, labels, 2, groups=labels), 0)
    assert np.isfinite(groups).all()
