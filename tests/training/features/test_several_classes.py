"""Logistic regressions of images with several classes: those of scikit-learn, one strength for all, calibrated."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

from cnncli.engines.heads import LinearHead
from cnncli.records.training import ClassifierName, ClassWeights
from cnncli.training.features import hyperparameters, scaling
from cnncli.training.features.cross_validation import FitResult, fit
from cnncli.training.features.several_classes import SeveralRows
from tests.training.features.test_classifiers import shrinking_scaler


def tagged(images: int = 240, width: int = 12, seed: int = 0, rate: float = 0.3) -> SeveralRows:
    """Images with up to four classes, each of which shifts the first features its own way; the last class is rare."""
    rng = np.random.default_rng(seed)
    labels = rng.random((images, 4)) < np.array([rate, rate, 0.5, 0.05])
    labels[:3, 3] = True
    directions = np.random.default_rng(1).standard_normal((4, width)) * 1.5 * (np.arange(width) < 12)
    vectors = labels @ directions + rng.standard_normal((images, width)) * 2
    return SeveralRows(vectors[:, np.newaxis], labels)


def fit_rows(rows: SeveralRows) -> FitResult:
    return fit(ClassifierName.LOGISTIC, rows, 0)


@pytest.mark.parametrize("weights", ClassWeights)
@pytest.mark.parametrize("width", [12, 600])
def test_the_regressions_match_scikit_learn(
    weights: ClassWeights, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hyperparameters, "_EXPONENTS", (scaling.STANDARDISED,))
    rows = tagged(width=width)
    result = fit_rows(SeveralRows(rows.vectors, rows.labels, weights))
    c = float(result.parameter.removeprefix("C = "))
    balanced = None if weights is ClassWeights.NONE else "balanced"
    vectors = rows.vectors[:, 0]
    regressions = OneVsRestClassifier(LogisticRegression(C=c, max_iter=1000, class_weight=balanced))
    model = make_pipeline(shrinking_scaler(vectors), regressions).fit(vectors, rows.labels)
    expected, logits = model.decision_function(vectors), result.head.logits(vectors)
    factor = (logits * expected).sum() / (expected**2).sum()  # the temperature
    assert 0.3 < factor < 3
    assert np.allclose(logits, factor * expected, atol=0.01 * np.ptp(logits))


def test_the_strength_is_the_one_with_the_best_mean_average_precision() -> None:
    """On features that are mostly noise, a strong penalty predicts new images best."""
    rows = tagged(120, 100)
    result = fit_rows(rows)
    unseen = tagged(2000, 100, seed=5)
    assert result.cv_score is not None
    assert result.cv_standard_error is not None
    (weak,) = rows.fit_heads(ClassifierName.LOGISTIC, [hyperparameters.Hyperparameters(0.5, 1.0)], 1e-4)
    mean_precisions = [
        average_precision_score(unseen.labels, head.logits(unseen.vectors[:, 0]))
        for head in (result.head, weak)
    ]
    assert mean_precisions[0] > mean_precisions[1] + 0.01
    assert abs(result.cv_score - mean_precisions[0]) < 0.15


def test_probabilities_are_calibrated() -> None:
    head = fit_rows(tagged(600)).head
    unseen = tagged(3000, seed=7)
    shares = expit(head.logits(unseen.vectors[:, 0]))
    assert np.abs(shares.mean(axis=0) - unseen.labels.mean(axis=0)).max() < 0.03
    certain = shares > 0.8
    assert abs(unseen.labels[certain].mean() - shares[certain].mean()) < 0.05


def test_balanced_weights_raise_the_probabilities_of_the_rare_class() -> None:
    rows = tagged()
    plain, balanced = (
        expit(fit_rows(SeveralRows(rows.vectors, rows.labels, weights)).head.logits(rows.vectors[:, 0]))
        for weights in ClassWeights
    )
    assert balanced[:, 3].mean() > 2 * plain[:, 3].mean()


def test_a_task_of_one_class_has_one_logit() -> None:
    rows = tagged()
    head = fit_rows(SeveralRows(rows.vectors, rows.labels[:, :1])).head
    assert isinstance(head, LinearHead)
    assert head.weights.shape == (1, 12)
    several = fit_rows(rows).head.logits(rows.vectors[:, 0])[:, :1]
    assert np.corrcoef(head.logits(rows.vectors[:, 0]).T, several.T)[0, 1] > 0.99


def test_too_few_images_for_cross_validation() -> None:
    """Two images of each class, in views; and a class that no image has."""
    labels = np.array([[True, False, False], [False, True, False], [True, True, False]])
    vectors = np.arange(24.0).reshape(3, 2, 4) ** 2
    result = fit_rows(SeveralRows(vectors, labels))
    assert result.cv_score is None
    logits = result.head.logits(vectors[:, 0])
    assert np.isfinite(logits).all()
    assert (logits[:, 2] < logits[:, :2].min(axis=1)).all()
