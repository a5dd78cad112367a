"""Tasks and classes of a data set are found in a network by name, whatever their order."""

import numpy as np
import pytest

from cnncli.errors import DataError, UsageError
from cnncli.evaluation.tasks.matching import TaskMatch, match_tasks
from cnncli.images.local_file import LocalFile
from cnncli.records.data import NO_LABEL, DataSet, Sample
from cnncli.records.tasks import AnswerKind, Task
from tests.networks_for_tests import TASKS, colour_card
from tests.tasks_for_tests import data_set

MOOD = Task("mood", ("cold", "red", "unused"), AnswerKind.SEVERAL)
COLOUR = Task("colour", ("blue", "red"), AnswerKind.ONE)


def match(
    *tasks: Task, answers: tuple[tuple[int, ...] | None, ...], subset: bool = False
) -> tuple[TaskMatch, ...]:
    labelled = data(*tasks, answers=answers)
    return match_tasks(labelled, labelled.samples, colour_card(TASKS), None, subset=subset)


def data(*tasks: Task, answers: tuple[tuple[int, ...] | None, ...]) -> DataSet:
    return data_set(Sample(LocalFile("1.png"), NO_LABEL, None, answers), tasks=tasks)


def test_tasks_come_in_the_order_of_the_network() -> None:
    answers = ((0, 1), (1,))
    colour, mood = match(MOOD, COLOUR, answers=answers)
    assert (colour.task, mood.task) == TASKS
    (sample,) = data(MOOD, COLOUR, answers=answers).samples
    assert colour.answer(sample) == (0,)
    assert mood.answer(sample) == (1, 2)
    shares = np.arange(12, dtype=np.float32).reshape(2, 6)
    np.testing.assert_array_equal(mood.select_shares(shares), shares[:, 3:])


def test_unknown_labels_stay_unknown() -> None:
    (mood,) = match(MOOD, answers=(None,))
    assert mood.answer(data(MOOD, answers=(None,)).samples[0]) is None


def test_only_the_classes_of_the_images_remain_if_asked() -> None:
    """Their probabilities are scaled where exactly one of them is right, and only there; thresholds follow their classes."""
    colour, mood = match(COLOUR, MOOD, answers=((0,), (0,)), subset=True)
    shares = np.array([[0.2, 0.5, 0.3, 0.1, 0.2, 0.4]], np.float32)
    assert colour.task.class_names == ("blue",)
    np.testing.assert_allclose(colour.select_shares(shares), [[1]])
    assert mood.task == Task("mood", ("cold",), AnswerKind.SEVERAL, (0.7,))
    np.testing.assert_array_equal(mood.select_shares(shares), shares[:, [5]])


def test_a_class_that_the_network_lacks_is_an_error_where_an_image_has_it() -> None:
    with pytest.raises(DataError, match="task 'mood' of colours does not have 1 of the classes: 'unused'"):
        match(MOOD, answers=((2,),))


def test_classes_of_labels_cannot_be_joined() -> None:
    found = data(Task("mood", ("hot",), AnswerKind.SEVERAL), answers=((0,),))
    with pytest.raises(UsageError, match="--map gives one class of 'mood' several of the network's"):
        match_tasks(found, found.samples, colour_card(TASKS), {"hot": ["warm", "red"]}, subset=False)
