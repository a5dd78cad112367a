"""Classifiers on features: the same predictions as scikit-learn's own, calibrated probabilities, cross-validation."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC

from cnncli.engines.heads import Array, LinearHead, NeighbourHead
from cnncli.records.training import ClassifierName, ClassWeights
from cnncli.training.features import hyperparameters, scaling
from cnncli.training.features.classifiers import Rows
from cnncli.training.features.cross_validation import fit
from cnncli.training.features.linear import Problem, logistic


def clouds(classes: int, each: int = 40, width: int = 12, seed: int = 0, spread: float = 2.5) -> Rows:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((classes, width)) * 2
    labels = np.repeat(np.arange(classes), each)
    scale = rng.uniform(0.1, 30, width)  # features of very different scale, as in networks
    vectors = (centres[labels] + rng.standard_normal((len(labels), width)) * spread) * scale + 5
    return Rows(vectors[:, np.newaxis], labels, classes)


def shrinking_scaler(vectors: Array, exponent: float = scaling.STANDARDISED) -> FunctionTransformer:
    """scikit-learn's StandardScaler with 0.3 of the mean variance added to each feature's variance; or another scaling."""
    variances = vectors.var(axis=0)
    divisors = {
        scaling.STANDARDISED: np.sqrt(variances + 0.3 * variances.mean()),
        scaling.PARETO: (variances + 0.3 * variances.mean()) ** 0.25 * variances.mean() ** 0.25,
        scaling.COMMON: np.sqrt(variances.mean()),
    }
    return FunctionTransformer(lambda values: (values - vectors.mean(axis=0)) / divisors[exponent])


@pytest.fixture(params=[scaling.STANDARDISED, scaling.PARETO, scaling.COMMON])
def exponent(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """One scaling of features, which is used without a comparison."""
    monkeypatch.setattr(hyperparameters, "_EXPONENTS", (request.param,))
    value: float = request.param
    return value


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("name", [ClassifierName.LOGISTIC, ClassifierName.SVM])
def test_linear_classifiers_match_scikit_learn(name: ClassifierName, classes: int, exponent: float) -> None:
    rows = clouds(classes)
    result = fit(name, rows, 0)
    c = float(result.parameter.removeprefix("C = "))
    reference = (
        LogisticRegression(C=c, max_iter=1000)
        if name is ClassifierName.LOGISTIC
        else LinearSVC(C=c, max_iter=5000, dual="auto", random_state=0)
    )
    vectors, labels = rows.flat()
    model = make_pipeline(shrinking_scaler(vectors, exponent), reference).fit(vectors, labels)
    logits = result.head.logits(vectors)
    assert logits.shape == (len(vectors), classes)
    assert (logits.argmax(axis=1) == model.predict(vectors)).mean() > 0.995
    known = (
        np.log(model.predict_proba(vectors))
        if name is ClassifierName.LOGISTIC
        else model.decision_function(vectors).reshape(len(vectors), -1)
    )
    if known.shape[1] == 1:
        known = np.column_stack([-known, known])
    # the same logits up to a temperature
    centred, expected = (values - values.mean(axis=1, keepdims=True) for values in (logits, known))
    factor = (centred * expected).sum() / (expected**2).sum()
    assert np.allclose(centred, factor * expected, atol=0.02 * np.ptp(centred))


@pytest.mark.parametrize("classes", [2, 3])
def test_logistic_regression_with_weights_is_that_of_scikit_learn(classes: int) -> None:
    vectors, labels = clouds(classes).flat()
    vectors /= vectors.std(axis=0)
    weights = np.random.default_rng(4).uniform(0.1, 3, len(labels))
    problem = Problem(vectors, labels, weights, classes, vectors.shape[1], tolerance=1e-9)
    strengths = (0.01, 1.0)
    for c, (fitted, biases) in zip(strengths, logistic(problem, strengths), strict=True):
        expected = LogisticRegression(C=c, tol=1e-9, max_iter=10_000).fit(vectors, labels, weights)
        logits, known = vectors @ fitted.T + biases, np.log(expected.predict_proba(vectors))
        assert np.allclose(log_softmax(logits, axis=1), known, atol=1e-4)


def test_centroids_and_neighbours_match_scikit_learn(exponent: float) -> None:
    rows = clouds(3)
    vectors, labels = rows.flat()
    centroid = make_pipeline(shrinking_scaler(vectors, exponent), NearestCentroid()).fit(vectors, labels)
    predicted = fit(ClassifierName.CENTROID, rows, 0).head.logits(vectors).argmax(axis=1)
    assert (predicted == centroid.predict(vectors)).all()
    result = fit(ClassifierName.KNN, rows, 0)
    neighbours = int(result.parameter.removeprefix("k = "))
    scaler = shrinking_scaler(vectors, exponent)
    reference = make_pipeline(scaler, KNeighborsClassifier(neighbours)).fit(vectors, labels)
    assert np.allclose(np.exp(result.head.logits(vectors)), reference.predict_proba(vectors), atol=1e-6)


@pytest.mark.parametrize("name", [ClassifierName.LOGISTIC, ClassifierName.SVM, ClassifierName.CENTROID])
def test_probabilities_are_calibrated(name: ClassifierName) -> None:
    """The mean probability of the predicted class is close to the accuracy on new images."""
    rows, unseen = clouds(4, 300, spread=5), clouds(4, 500, spread=5)
    head = fit(name, rows, 0).head
    vectors, labels = unseen.flat()
    probabilities = softmax(head.logits(vectors), axis=1)
    accuracy = (probabilities.argmax(axis=1) == labels).mean()
    assert abs(probabilities.max(axis=1).mean() - accuracy) < 0.05


@pytest.mark.slow
def test_cross_validation_detects_overfitting() -> None:
    """High-dimensional noise: training accuracy is high, cross-validation accuracy close to chance."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 30)
    noisy = rng.standard_normal((60, 300))
    result = fit(ClassifierName.LOGISTIC, Rows(noisy[:, np.newaxis], labels, 2), 0)
    assert (result.head.logits(noisy).argmax(axis=1) == labels).mean() > 0.85
    assert result.cv_score is not None
    assert 0.3 < result.cv_score < 0.75


def test_too_few_images_for_cross_validation() -> None:
    rows = Rows(np.arange(12.0).reshape(3, 1, 4), np.array([0, 1, 1]), 2)
    for name in (ClassifierName.LOGISTIC, ClassifierName.SVM, ClassifierName.KNN, ClassifierName.CENTROID):
        result = fit(name, rows, 0)
        assert result.cv_score is None
        assert (result.head.logits(rows.vectors[:, 0]).argmax(axis=1) == rows.labels).all()


def test_balanced_weights_help_the_rare_class() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([0] * 300 + [1] * 15)
    vectors = rng.standard_normal((315, 1, 3)) + labels[:, np.newaxis, np.newaxis]
    for name in (ClassifierName.LOGISTIC, ClassifierName.SVM, ClassifierName.KNN):
        plain, balanced = (
            (fit(name, Rows(vectors, labels, 2, weights), 0).head.logits(vectors[:, 0]).argmax(axis=1) == 1)[
                labels == 1
            ].mean()
            for weights in (ClassWeights.NONE, ClassWeights.BALANCED)
        )
        assert balanced > plain, name


def test_views_are_training_rows() -> None:
    rows = clouds(2, 30)
    views = np.concatenate([rows.vectors, rows.vectors + 0.5], axis=1)
    result = fit(ClassifierName.KNN, Rows(views, rows.labels, 2), 0)
    assert isinstance(result.head, NeighbourHead)
    assert result.head.vectors.shape == (120, 12)


@pytest.mark.slow
def test_many_small_classes() -> None:
    """More rows than cross-validation uses, and fewer per class than there are folds by default."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(1100), 3)
    rows = Rows(rng.standard_normal((3300, 1, 4)) + labels[:, np.newaxis, np.newaxis], labels, 1100)
    assert fit(ClassifierName.CENTROID, rows, 0).cv_score is not None


def test_cross_validation_with_a_class_of_one_image() -> None:
    rows = clouds(3)
    labels = np.append(rows.labels, 3)
    with_one = Rows(np.concatenate([rows.vectors, rows.vectors[:1] + 50]), labels, 4)
    assert fit(ClassifierName.LOGISTIC, with_one, 0).cv_score is not None


def test_constant_features_have_no_weight() -> None:
    rows = clouds(2)
    constant = np.full((len(rows.labels), 1, 1), 7.0)
    constant[0] = np.nextafter(np.float32(7), np.float32(8))
    head = fit(
        ClassifierName.LOGISTIC, Rows(np.concatenate([rows.vectors, constant], axis=2), rows.labels, 2), 0
    ).head
    assert isinstance(head, LinearHead)
    assert np.abs(head.weights[:, -1]).max() == 0


def test_held_out_images_are_scored_without_their_views() -> None:
    """Views of pure noise do not lower the accuracy on held-out images."""
    rows = clouds(2, 60, spread=1)
    noise = np.random.default_rng(1).standard_normal(rows.vectors.shape) * 100
    views = np.concatenate([rows.vectors, noise], axis=1)
    result = fit(ClassifierName.LOGISTIC, Rows(views, rows.labels, 2), 0)
    assert result.cv_score is not None
    assert result.cv_score > 0.85


def test_the_standard_error_is_that_of_the_folds() -> None:
    rows = clouds(3, 40, spread=6)
    result = fit(ClassifierName.CENTROID, rows, 0)
    assert result.cv_score is not None
    assert result.cv_standard_error is not None
    binomial = np.sqrt(result.cv_score * (1 - result.cv_score) / len(rows.labels))
    assert binomial / 4 < result.cv_standard_error < binomial * 4


def test_class_weights_give_balanced_accuracy() -> None:
    """With 300 and 15 images, always predicting the first class has an accuracy of 95 %, balanced 50 %."""
    rng = np.random.default_rng(0)
    labels = np.array([0] * 300 + [1] * 15)
    rows = Rows(rng.standard_normal((315, 1, 3)), labels, 2)
    plain = fit(ClassifierName.LOGISTIC, rows, 0).cv_score
    balanced = fit(ClassifierName.LOGISTIC, Rows(rows.vectors, labels, 2, ClassWeights.BALANCED), 0).cv_score
    assert plain is not None
    assert balanced is not None
    assert plain > 0.9
    assert balanced < 0.7


@pytest.mark.parametrize("name", [ClassifierName.LOGISTIC, ClassifierName.SVM, ClassifierName.CENTROID])
def test_probabilities_on_easy_data_are_high_but_not_1(name: ClassifierName) -> None:
    rows = clouds(2, 60, spread=0.3)
    head = fit(name, rows, 0).head
    probabilities = softmax(head.logits(rows.flat()[0]), axis=1).max(axis=1)
    assert probabilities.mean() > 0.97
    assert probabilities.mean() < 0.99999


def test_a_feature_that_is_nearly_always_zero_does_not_dominate() -> None:
    """As in ReLU networks on few images: a new image that activates it is many standard deviations away."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(2), 6)
    vectors = np.concatenate([labels[:, None] + rng.normal(0, 0.3, (12, 8)), np.zeros((12, 8))], axis=1)
    vectors[np.arange(8), 8 + np.arange(8)] = 0.01
    new = np.concatenate([np.full(8, 1.0), np.full(8, 0.5)])
    result = fit(ClassifierName.LOGISTIC, Rows(vectors[:, None], labels, 2), seed=0)
    assert isinstance(result.head, LinearHead)
    logits = result.head.logits(new[None])[0]
    assert logits[1] - logits[0] > 1
    assert logits[1] - logits[0] < 20


def test_one_image_per_class_gives_moderate_probabilities() -> None:
    """With 512 features, of which a few separate the classes; every classifier says what a single image can tell."""
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 1, (2, 512))
    labels = np.arange(2)
    rows = Rows((centres + rng.normal(0, 2, (2, 512)))[:, np.newaxis], labels, 2)
    truth = rng.integers(2, size=200)
    unseen = centres[truth] + rng.normal(0, 2, (200, 512))
    for name in (ClassifierName.LOGISTIC, ClassifierName.SVM, ClassifierName.KNN, ClassifierName.CENTROID):
        result = fit(name, rows, 0)
        assert result.cv_score is None
        shares = softmax(result.head.logits(unseen), axis=1)
        assert (shares.argmax(axis=1) == truth).mean() > 0.9, name
        assert 0.53 < shares.max(axis=1).mean() < 0.95, name
        assert shares.max() < 0.99, name


@pytest.mark.parametrize("is_scale_informative", [False, True])
def test_cross_validation_chooses_the_scaling(*, is_scale_informative: bool) -> None:
    """Large features are noise, and standardising helps; or they tell the classes apart, and one common scale helps."""
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(2), 10)
    large = rng.normal(0, 3, (20, 10)) + is_scale_informative * np.where(labels, 2.5, -2.5)[:, np.newaxis]
    small = (
        rng.normal(0, 1, (20, 200))
        + (not is_scale_informative) * np.where(labels, 0.35, -0.35)[:, np.newaxis]
    )
    result = fit(ClassifierName.LOGISTIC, Rows(np.hstack([large, small])[:, np.newaxis], labels, 2), 0)
    assert isinstance(result.head, LinearHead)
    weights = np.abs(result.head.weights[1])
    assert (weights[:10].mean() > weights[10:].mean()) == is_scale_informative


def test_few_images_of_one_class_beside_many_do_not_make_predictions_certain() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([0] * 60 + [1] * 2)
    vectors = rng.normal(0, 1, (62, 1, 256)) + 0.15 * labels[:, np.newaxis, np.newaxis]
    head = fit(ClassifierName.LOGISTIC, Rows(vectors, labels, 2), 0).head
    unseen = rng.normal(0, 1, (100, 256)) + 0.15
    assert softmax(head.logits(unseen), axis=1)[:, 0].max() < 0.99


def test_groups_are_held_out_as_a_whole_in_cross_validation() -> None:
    rows = clouds(3, 30)
    groups = np.arange(len(rows.labels)) // 5
    grouped = Rows(rows.vectors, rows.labels, 3, groups=groups)
    folds = grouped.folds(0)
    assert len(folds) == 5
    for train, held_out in folds:
        assert set(groups[train]).isdisjoint(groups[held_out])
    # The only group of a class is always learned; where each class has but one, nothing can be compared.
    groups[rows.labels == 2] = 99
    folds = Rows(rows.vectors, rows.labels, 3, groups=groups).folds(0)
    assert folds
    assert all(set(rows.labels[train]) == {0, 1, 2} and 2 not in rows.labels[held] for train, held in folds)
    assert not Rows(rows.vectors, rows.labels, 3, groups=rows.labels).folds(0)
