"""Which classes are predicted, and the part of the answers that belongs to one task."""

import numpy as np

from cnncli.evaluation.tasks.scoring import predicted_answers
from tests.tasks_for_tests import HABITAT, TAGS, draw


def test_one_class_or_all_above_their_thresholds_are_predicted() -> None:
    shares = np.array([[0.2, 0.7, 0.1, 0.5, 0.3, 0.59, 0.9], [0.4, 0.4, 0.2, 0.1, 0.1, 0.1, 0.1]], np.float32)
    expected = [[0, 1, 0, 1, 0, 0, 1], [1, 0, 0, 0, 0, 0, 0]]
    assert predicted_answers(shares, (HABITAT, TAGS)).astype(int).tolist() == expected


def test_the_images_of_a_task_are_those_whose_labels_are_known() -> None:
    _, scored = draw(20, 3, unknown=0.4)
    part = scored.of_task((HABITAT, TAGS), 1)
    known = [number for number, sample in enumerate(scored.samples) if sample.answers[1] is not None]
    assert [sample.answers for sample in part.samples] == [(scored.samples[n].answers[1],) for n in known]
    np.testing.assert_array_equal(part.shares, scored.shares[known, 3:])
