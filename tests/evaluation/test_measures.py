"""Figures of answers: against scikit-learn, against drawing images one by one, against sums by hand."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)

from cnncli.errors import DataError
from cnncli.evaluation.comparison import compare, mcnemar
from cnncli.evaluation.measures import BINS, EvaluationContext, calibration, coverage, evaluation
from cnncli.evaluation.metrics import DRAWS, accuracy, bootstrap_counts, interval
from cnncli.evaluation.scoring import answers_of
from cnncli.images.local_file import LocalFile
from cnncli.records.data import Sample, Split
from cnncli.records.evaluation import Answer, Evaluation

NAMES = tuple("abcdefgh")


def asked(probabilities: np.ndarray, labels: np.ndarray) -> Evaluation:
    """An evaluation of such answers."""
    names = NAMES[: probabilities.shape[1]]
    samples = [
        Sample(LocalFile(f"{number}.png"), int(label), Split.TEST) for number, label in enumerate(labels)
    ]
    answers = list(answers_of(samples, probabilities.astype(np.float32), str))
    return evaluation(EvaluationContext("net", "data", "test", "as it has it", names), answers, [])


def drawn(images: int, classes: int, seed: int, sharpness: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are right more often than not, and labels."""
    draws = np.random.default_rng(seed)
    labels = draws.integers(0, classes, images)
    logits = draws.normal(0, 1.5, (images, classes))
    logits[np.arange(images), labels] += sharpness
    whole = np.exp(logits)
    return whole / whole.sum(axis=1, keepdims=True), labels


@settings(max_examples=40, deadline=None)
@given(images=st.integers(1, 60), classes=st.integers(2, 8), seed=st.integers(0, 10**6))
@example(images=4, classes=2, seed=13)  # a precision of 1 that a few resamples do not have
def test_metrics_agree_with_scikit_learn(images: int, classes: int, seed: int) -> None:
    probabilities, labels = drawn(images, classes, seed)
    result, predicted = asked(probabilities, labels), probabilities.argmax(axis=1)
    assert result.top1.share == pytest.approx(accuracy_score(labels, predicted))
    if classes > 5:
        expected = top_k_accuracy_score(labels, probabilities, k=5, labels=range(classes))
        assert result.top5.share == pytest.approx(expected)
    assert result.loss == pytest.approx(
        log_loss(labels, probabilities, labels=range(classes)), rel=1e-5, abs=1e-6
    )
    for average, said in (("macro", result.macro), ("weighted", result.weighted)):
        there = np.unique(labels)  # the mean is over classes that have images, as in balanced accuracy
        values = precision_recall_fscore_support(
            labels, predicted, labels=there, average=average, zero_division=0
        )
        assert [said.precision.value, said.recall.value, said.f1.value] == pytest.approx(list(values[:3]))
        for estimate in (said.precision, said.recall, said.f1):
            assert 0 <= estimate.low <= estimate.high <= 1
    occurring = np.unique([labels, predicted])
    by_class = precision_recall_fscore_support(labels, predicted, labels=occurring, zero_division=0)
    scores = [
        (score.index, score.precision, score.recall, score.f1, score.support) for score in result.classes
    ]
    assert scores == list(zip(occurring, *by_class, strict=True))
    assert sum(cell.images for cell in result.confusion_cells) == images
    assert sum(score.support for score in result.classes) == images
    assert sum(score.predicted for score in result.classes) == images


@pytest.mark.slow
def test_bootstrap_intervals_agree_with_resampling_single_images() -> None:
    """The bootstrap as the textbook has it: whole images, with replacement, scikit-learn on each draw."""
    probabilities, labels = drawn(120, 5, 3)
    predicted = probabilities.argmax(axis=1)
    result = asked(probabilities, labels)
    draws = np.random.default_rng(1)
    scores = []
    for _ in range(DRAWS):
        chosen = draws.integers(0, len(labels), len(labels))
        scores.append(
            (
                accuracy_score(labels[chosen], predicted[chosen]),
                f1_score(
                    labels[chosen],
                    predicted[chosen],
                    labels=np.unique(labels[chosen]),
                    average="macro",
                    zero_division=0,
                ),
            )
        )
    low, high = np.quantile(scores, (0.025, 0.975), axis=0)
    assert [result.top1.low, result.top1.high] == pytest.approx([low[0], high[0]], abs=0.015)
    assert [result.macro.f1.low, result.macro.f1.high] == pytest.approx([low[1], high[1]], abs=0.015)
    assert result.macro.f1.low < result.macro.f1.value < result.macro.f1.high


def test_the_same_predictions_have_the_same_intervals() -> None:
    probabilities, labels = drawn(50, 4, 0)
    assert asked(probabilities, labels) == asked(probabilities, labels)


def test_an_accuracy_of_1_has_an_interval() -> None:
    """Drawing right answers again and again never gives a wrong one; Wilson's interval knows that few say little."""
    few = accuracy(np.zeros(5, np.intp), np.zeros(5, np.intp))
    assert few.high == 1
    assert 0.5 < few.low < 0.6


def test_resampling_draws_as_many_images_as_there_are() -> None:
    counts = np.array([3, 0, 7])
    draws = np.concatenate(list(bootstrap_counts(counts)))
    assert draws.shape == (DRAWS, 3)
    assert (draws.sum(axis=1) == 10).all()
    assert not draws[:, 1].any()
    low, high = interval(draws[:, 0] / 10, 0.3)
    assert 0 <= low < 0.3 < high <= 1


def test_an_interval_contains_its_estimate() -> None:
    """Where classes have few images, a draw leaves many out, and the mean over classes of all draws is too small."""
    probabilities, labels = drawn(80, 8, 5)
    labels[:8] = range(8)
    result = asked(probabilities[:20], labels[:20])
    for average in (result.macro, result.weighted):
        for estimate in (average.precision, average.recall, average.f1):
            assert estimate.low <= estimate.value <= estimate.high


def answer(probability: float, *, right: bool) -> Answer:
    return Answer("x", None, 0 if right else 1, (0, 1), (probability, 1 - probability), 0.5)


def test_calibration_by_hand() -> None:
    """Four answers in two bins: at 0.55, half of them right; at 0.95, all."""
    answers = [
        answer(0.55, right=True),
        answer(0.55, right=False),
        answer(0.95, right=True),
        answer(0.95, right=True),
    ]
    error, bins = calibration(answers)
    assert error == pytest.approx((2 * abs(0.5 - 0.55) + 2 * abs(1 - 0.95)) / 4)
    assert [bin_.images for bin_ in bins if bin_.images] == [2, 2]
    assert len(bins) == BINS == 15
    assert all(bin_.low < bin_.confidence <= bin_.high for bin_ in bins if bin_.images)
    edge, _ = calibration([answer(1.0, right=True), answer(1 / 15, right=False)])
    assert edge == pytest.approx(1 / 30)


def test_coverage() -> None:
    answers = [answer(0.9, right=True), answer(0.8, right=False), answer(0.5, right=False)]
    result = coverage(answers, 0.8)
    assert (result.images, result.correct) == (2, 1)
    assert coverage(answers, 1.0).images == 0


def test_data_without_readable_images_is_an_error() -> None:
    with pytest.raises(DataError, match=r"no image of data \(test\) can be read"):
        evaluation(EvaluationContext("net", "data", "test", "", NAMES), [], [])


# ---- two networks


def test_mcnemars_test_by_hand() -> None:
    """Of 8 images that differ, 1 or fewer, or 7 or more, fall to one side with probability 2 (1 + 8) / 2^8."""
    assert mcnemar(7, 1) == pytest.approx(18 / 256)
    assert mcnemar(0, 0) == 1
    assert mcnemar(3, 3) == 1
    assert mcnemar(0, 5) == mcnemar(5, 0) == pytest.approx(2 / 32)


def test_a_comparison_lists_the_images_that_differ() -> None:
    labels = np.array([0, 1, 2, 0])
    new, old = (np.full((4, 3), 0.1) for _ in range(2))
    for row, (mine, theirs) in enumerate(zip([0, 1, 0, 1], [0, 2, 2, 1], strict=True)):
        new[row, mine] = old[row, theirs] = 0.8
    result = compare(asked(new, labels), asked(old, labels))
    assert (result.both_correct, result.neither_correct) == (1, 1)
    assert [(change.path, change.label, change.old, change.new) for change in result.gained] == [
        ("1.png", "b", "c", "b")
    ]
    assert [(change.path, change.label, change.old, change.new) for change in result.lost] == [
        ("2.png", "c", "c", "a")
    ]
    assert result.difference.value == 0
    assert result.difference.low < 0 < result.difference.high
    assert result.p_value == 1
