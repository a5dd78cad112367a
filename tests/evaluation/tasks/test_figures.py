"""Metrics of tasks: against scikit-learn, computed from predictions.csv alone, and of images that say little."""

import csv
import io
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from cnncli.errors import DataError
from cnncli.evaluation.tasks import tables
from cnncli.evaluation.tasks.figures import TasksContext, evaluate_tasks
from cnncli.evaluation.tasks.labels import mean_average_precision
from cnncli.evaluation.tasks.scoring import ScoredTargets
from cnncli.images.local_file import LocalFile
from cnncli.records.data import NO_LABEL, Sample
from cnncli.records.evaluation import Evaluation
from cnncli.records.predictions import Unreadable
from cnncli.records.task_evaluation import LabelMetrics, TasksEvaluation
from cnncli.records.tasks import AnswerKind, Task
from tests.tasks_for_tests import HABITAT, TAGS, data_set, draw


def context(*tasks: Task) -> TasksContext:
    return TasksContext("net", "test", "as it has it", tasks or (HABITAT, TAGS))


def evaluate(images: int, seed: int, unknown: float = 0.0) -> tuple[TasksEvaluation, dict[str, list[str]]]:
    """An evaluation, and the columns of its predictions.csv."""
    data, scored = draw(images, seed, unknown=unknown)
    stream = io.StringIO()
    tables.predictions((HABITAT, TAGS), data, scored).write(stream)
    header, *rows = csv.reader(io.StringIO(stream.getvalue()))
    columns = dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))
    return evaluate_tasks(context(), data, scored), columns


def numbers(columns: dict[str, list[str]], prefix: str) -> np.ndarray:
    """Columns whose names begin alike; NaN where a cell is empty."""
    chosen = [column for name, column in columns.items() if name.startswith(prefix)]
    return np.array([[float(cell or "nan") for cell in column] for column in chosen]).T


def labels_of(result: TasksEvaluation) -> LabelMetrics:
    found = result.tasks[-1].metrics
    assert isinstance(found, LabelMetrics)
    return found


@settings(max_examples=6, deadline=None)
@given(images=st.integers(25, 60), seed=st.integers(0, 10**6), unknown=st.sampled_from([0.0, 0.3]))
def test_scikit_learn_computes_the_same_from_the_table(images: int, seed: int, unknown: float) -> None:
    result, columns = evaluate(images, seed, unknown)
    truth, shares = numbers(columns, "label:tags:"), numbers(columns, "probability:tags:")
    is_known = ~np.isnan(truth[:, 0])
    truth, shares = truth[is_known], shares[is_known]
    predicted = (shares >= np.array(TAGS.thresholds)).astype(int)
    said = labels_of(result)
    areas = metrics.average_precision_score(truth, shares, average=None)
    assert [score.average_precision.value for score in said.classes if score.average_precision] == (
        pytest.approx(areas.tolist())
    )
    assert said.mean_average_precision
    assert said.mean_average_precision.value == pytest.approx(areas.mean())
    each = metrics.precision_recall_fscore_support(truth, predicted, zero_division=0)
    got = [(score.precision, score.recall, score.f1, score.support) for score in said.classes]
    assert np.array(got) == pytest.approx(np.array(each).T)
    for name, average in (("micro", said.micro), ("macro", said.macro)):
        values = metrics.precision_recall_fscore_support(truth, predicted, average=name, zero_division=0)
        assert [average.precision.value, average.recall.value, average.f1.value] == pytest.approx(values[:3])
    assert said.sample_f1.value == pytest.approx(
        metrics.f1_score(truth, predicted, average="samples", zero_division=1)
    )
    assert said.hamming_loss.value == pytest.approx(metrics.hamming_loss(truth, predicted))
    assert said.exact_match.share == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert said.loss == pytest.approx(metrics.log_loss(truth.ravel(), shares.ravel()), rel=1e-5)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_task_with_one_right_class_is_evaluated_as_ever(seed: int) -> None:
    result, columns = evaluate(40, seed, unknown=0.3)
    said = result.tasks[0].metrics
    assert isinstance(said, Evaluation)
    known = [label for label in columns["label:habitat"] if label != "?"]
    assert result.tasks[0].unknown == 40 - len(known)
    rows = zip(columns["label:habitat"], columns["predicted:habitat"], strict=True)
    pairs = [(label, predicted) for label, predicted in rows if label != "?"]
    assert said.top1.share == pytest.approx(metrics.accuracy_score(*zip(*pairs, strict=True)))
    assert len(said.answers) == len(known)


def test_exact_match_is_over_images_whose_labels_are_all_known() -> None:
    result, columns = evaluate(60, 1, unknown=0.3)
    names = [f"{kind}:{task}" for task in ("habitat", "tags") for kind in ("label", "predicted")]
    rows = list(zip(*(columns[name] for name in names), strict=True))
    known = [row for row in rows if "?" not in row]
    assert result.exact_match
    assert result.exact_match.images == len(known)
    assert result.exact_match.correct == sum(row[0] == row[1] and row[2] == row[3] for row in known)


def test_intervals_hold_the_metric() -> None:
    said = labels_of(evaluate(50, 2)[0])
    areas = [score.average_precision for score in said.classes]
    for estimate in (said.micro.f1, said.macro.f1, said.sample_f1, said.hamming_loss, *areas):
        assert estimate
        assert 0 <= estimate.low < estimate.value < estimate.high <= 1


def single(*answers: tuple[int, ...] | None, shares: list[list[float]]) -> TasksEvaluation:
    """An evaluation of images with a single task."""
    samples = [
        Sample(LocalFile(f"walks/{n}.png"), NO_LABEL, None, (answer,)) for n, answer in enumerate(answers)
    ]
    scored = ScoredTargets(tuple(samples), np.array(shares, np.float32))
    return evaluate_tasks(context(TAGS), data_set(tasks=(TAGS,)), scored)


def test_an_empty_answer_for_an_image_without_labels_is_right() -> None:
    said = labels_of(single((), (), shares=[[0.1] * 4, [0.9] * 4]))
    assert said.exact_match.correct == 1
    assert said.sample_f1.value == 0.5
    assert said.mean_average_precision is None
    assert [score.average_precision for score in said.classes] == [None] * 4
    assert said.macro.f1.value == 0


def test_classes_that_never_occur_do_not_count_for_the_means() -> None:
    said = labels_of(single((0,), (1,), shares=[[0.9, 0.1, 0.9, 0.0], [0.2, 0.8, 0.0, 0.0]]))
    assert said.mean_average_precision
    assert said.mean_average_precision.value == said.macro.f1.value == 1
    assert said.micro.precision.value == pytest.approx(2 / 3)


def test_the_worst_misses_and_false_alarms_come_first() -> None:
    shares = [[0.2, 0, 0, 0], [0.1, 0, 0, 0], [0.7, 0, 0, 0], [0.9, 0, 0, 0], [0.5, 0, 0, 0]]
    bird = labels_of(single((0,), (0,), (), (), (0,), shares=shares)).classes[0]
    assert [mistake.path for mistake in bird.misses] == ["1.png", "0.png"]
    assert [mistake.path for mistake in bird.false_alarms] == ["3.png", "2.png"]
    assert bird.false_alarms[0].probability == pytest.approx(0.9)
    assert (bird.support, bird.predicted, bird.correct) == (3, 3, 1)


def test_pairs_count_what_occurs_together() -> None:
    said = labels_of(single((0, 1), (0,), shares=[[0.9, 0.9, 0, 0], [0.9, 0.9, 0, 0]]))
    pairs = {(pair.first, pair.second): (pair.labelled, pair.predicted, pair.confused) for pair in said.pairs}
    assert pairs == {(0, 1): (1, 2, 1), (1, 0): (1, 2, 0)}


def test_a_task_with_a_single_class_can_be_evaluated() -> None:
    task = Task("tags", ("bird",), AnswerKind.SEVERAL)
    data, scored = draw(30, 5, (task,))
    said = labels_of(evaluate_tasks(context(task), data, scored))
    labels = [bool(sample.answers[0]) for sample in scored.samples]
    assert said.micro.f1.value == pytest.approx(metrics.f1_score(labels, scored.shares[:, 0] >= 0.5))
    assert said.exact_match.share == pytest.approx(1 - said.hamming_loss.value)


def test_a_task_without_any_known_label_is_left_out_with_a_remark() -> None:
    data, scored = draw(20, 0)
    samples = [Sample(s.source, NO_LABEL, None, (None, s.answers[1])) for s in scored.samples]
    result = evaluate_tasks(context(), data, ScoredTargets(tuple(samples), scored.shares))
    assert [item.task.name for item in result.tasks] == ["tags"]
    assert result.remarks == ("no image has a label of 'habitat': it is left out",)
    assert result.exact_match == labels_of(result).exact_match


def test_images_without_any_answer_are_an_error() -> None:
    data, scored = draw(2, 0)
    unknown = [Sample(sample.source, NO_LABEL, None, (None, None)) for sample in scored.samples]
    failed = tuple(Unreadable(sample.path, "broken") for sample in scored.samples)
    with pytest.raises(DataError, match="has a label"):
        evaluate_tasks(context(), data, ScoredTargets(tuple(unknown), scored.shares))
    with pytest.raises(DataError, match="can be read"):
        evaluate_tasks(context(), data, ScoredTargets((), scored.shares[:0], failed))


def test_mean_average_precision_leaves_unknown_labels_out() -> None:
    shares = np.array([[0.9, 0.1], [0.5, 0.3], [0.7, 0.2]], np.float32)
    targets = np.array([[1, 0], [0, 0], [np.nan, np.nan]], np.float32)
    assert mean_average_precision(shares, targets) == 1
    assert mean_average_precision(shares, np.full_like(shares, np.nan)) is None


def test_each_network_has_the_same_intervals_twice() -> None:
    results = [labels_of(evaluate(40, 7)[0]) for _ in range(2)]
    assert all(one == other for one, other in pairwise(results))
