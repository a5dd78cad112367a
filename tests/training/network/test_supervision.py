"""How often images are drawn so that all classes are drawn equally often."""

import numpy as np

from cnncli.records.tasks import AnswerKind, Task
from cnncli.records.training import ClassWeights
from cnncli.training.network.supervision import ClassSupervision, TasksSupervision

DIGIT = Task("digit", ("0", "1"), AnswerKind.ONE)
TAGS = Task("tags", ("round", "tall"), AnswerKind.SEVERAL)


def sampling_weights(task: Task, rows: list[list[float]]) -> np.ndarray:
    return TasksSupervision((task,), (1.0,), ClassWeights.NONE).sampling_weights(np.array(rows, np.float32))


def test_a_task_with_one_right_class_is_sampled_like_single_classes() -> None:
    labels = np.array([0, 0, 0, 1])
    expected = ClassSupervision(2, ClassWeights.NONE).sampling_weights(labels)
    assert np.allclose(sampling_weights(DIGIT, np.eye(2)[labels].tolist()), expected)
    assert np.allclose(expected, [1 / 3, 1 / 3, 1 / 3, 1])


def test_an_image_of_several_classes_counts_for_each_and_one_without_for_none_of_them() -> None:
    weights = sampling_weights(TAGS, [[1, 0], [1, 1], [0, 0], [0, 0], [np.nan, np.nan]])
    assert np.allclose(weights, [1 / 2, 1 / 2 + 1, 1 / 2, 1 / 2, 0])


def test_tasks_are_added_up() -> None:
    supervision = TasksSupervision((DIGIT, TAGS), (1.0, 1.0), ClassWeights.NONE)
    labels = np.array([[1, 0, 1, 0], [1, 0, 1, 1], [0, 1, np.nan, np.nan]], np.float32)
    assert np.allclose(supervision.sampling_weights(labels), [1 / 2 + 1 / 2, 1 / 2 + 1 / 2 + 1, 1])
