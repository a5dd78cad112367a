"""The text of an evaluation of a network with tasks fits its terminal."""

import dataclasses

import numpy as np
import pytest

from cnncli.evaluation.tasks.comparison import compare_tasks
from cnncli.evaluation.tasks.figures import EvaluatedTasks, TasksContext, evaluate_tasks
from cnncli.records.tasks import AnswerKind, Task
from cnncli.render.tasks_comparison_text import tasks_comparison_text
from cnncli.render.tasks_text import tasks_text
from tests.tasks_for_tests import HABITAT, TAGS, draw

MANY = Task("tags", tuple(f"class number {number}" for number in range(40)), AnswerKind.SEVERAL)


def evaluate(*tasks: Task, model: str = "net") -> EvaluatedTasks:
    data, scored = draw(60, 1, tasks, unknown=0.1)
    return EvaluatedTasks(
        tasks, scored, evaluate_tasks(TasksContext(model, "test", "as it has it", tasks), data, scored)
    )


@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize(
    "tasks", [(TAGS,), (HABITAT, TAGS), (MANY,)], ids=["labels", "tasks", "many classes"]
)
def test_no_line_is_wider_than_the_terminal(tasks: tuple[Task, ...], width: int) -> None:
    text = tasks_text(evaluate(*tasks).evaluation, width)
    assert max(map(len, text.splitlines())) <= width


def test_a_narrow_terminal_keeps_the_most_important_columns() -> None:
    wide, narrow = (tasks_text(evaluate(TAGS).evaluation, width) for width in (None, 50))
    assert "class          AP  precision  recall      F1  images  predicted  threshold" in wide
    assert "class          AP  recall      F1  images\n" in narrow


def test_of_many_classes_those_with_the_lowest_f1_are_listed() -> None:
    text = tasks_text(evaluate(MANY).evaluation, 80)
    assert "(the 30 of 40 classes with the lowest F1)" in text
    assert "false alarm\\n" not in text  # no matrix


def test_a_single_task_needs_no_line_for_all_tasks() -> None:
    assert "all tasks" not in tasks_text(evaluate(TAGS).evaluation, 80)
    assert "all tasks" in tasks_text(evaluate(HABITAT, TAGS).evaluation, 80)


def test_a_comparison_says_what_each_figure_is_of() -> None:
    data, _ = draw(60, 1, (HABITAT, TAGS), unknown=0.1)
    new, old = evaluate(HABITAT, TAGS, model="new"), evaluate(HABITAT, TAGS, model="old")
    noise = np.random.default_rng(0).normal(0, 0.3, old.scored.shares.shape)
    blurred = dataclasses.replace(
        old.scored, shares=np.clip(old.scored.shares + noise, 0, 1).astype(np.float32)
    )
    context = TasksContext("old", "test", "as it has it", (HABITAT, TAGS))
    worse = EvaluatedTasks(old.tasks, blurred, evaluate_tasks(context, data, blurred))
    text = tasks_comparison_text(compare_tasks(new, worse, data), 80)
    for words in ("points of exact match", "points of top-1", "points of mAP", "only new is exactly right"):
        assert words in text
    assert max(map(len, text.splitlines())) <= 80
