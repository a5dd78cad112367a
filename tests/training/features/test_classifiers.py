"""The classifiers that heads are made of answer as scikit-learn's own."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC

from cnncli.engines.heads import Array, LinearHead, NeighbourHead
from cnncli.records.training import ClassifierName, ClassWeights
from cnncli.training.features.classifiers import Rows, fit


def clouds(classes: int, each: int = 40, width: int = 12, seed: int = 0, spread: float = 2.5) -> Rows:
    draws = np.random.default_rng(seed)
    centres = draws.standard_normal((classes, width)) * 2
    labels = np.repeat(np.arange(classes), each)
    scale = draws.uniform(0.1, 30, width)  # features of very different size, as networks have them
    vectors = (centres[labels] + draws.standard_normal((len(labels), width)) * spread) * scale + 5
    return Rows(vectors[:, np.newaxis], labels, classes)


def shrunk(vectors: Array) -> FunctionTransformer:
    """scikit-learn's StandardScaler, but for 0.3 of the mean variance that each feature's variance gets."""
    variances = vectors.var(axis=0)
    deviations = np.sqrt(variances + 0.3 * variances.mean())
    return FunctionTransformer(lambda values: (values - vectors.mean(axis=0)) / deviations)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("name", [ClassifierName.LOGISTIC, ClassifierName.SVM])
def test_linear_ones_decide_as_scikit_learns_do(name: ClassifierName, classes: int) -> None:
    rows = clouds(classes)
    fitted = fit(name, rows, 0)
    strength = float(fitted.parameter.removeprefix("C = "))
    theirs = (
        LogisticRegression(C=strength, max_iter=1000)
        if name is ClassifierName.LOGISTIC
        else LinearSVC(C=strength, max_iter=5000, dual="auto", random_state=0)
    )
    vectors, labels = rows.flat()
    model = make_pipeline(shrunk(vectors), theirs).fit(vectors, labels)
    logits = fitted.head.logits(vectors)
    assert logits.shape == (len(vectors), classes)
    assert (logits.argmax(axis=1) == model.predict(vectors)).mean() > 0.995
    if (
        name is ClassifierName.LOGISTIC
    ):  # the same logits but for a temperature, which is fitted to held-out images
        known = np.log(model.predict_proba(vectors))
        ours, theirs_ = (values - values.mean(axis=1, keepdims=True) for values in (logits, known))
        factor = (ours * theirs_).sum() / (theirs_**2).sum()
        assert np.allclose(ours, factor * theirs_, atol=0.02 * np.ptp(ours))


def test_centroids_and_neighbours_decide_as_scikit_learns_do() -> None:
    rows = clouds(3)
    vectors, labels = rows.flat()
    centroid = make_pipeline(shrunk(vectors), NearestCentroid()).fit(vectors, labels)
    found = fit(ClassifierName.CENTROID, rows, 0).head.logits(vectors).argmax(axis=1)
    assert (found == centroid.predict(vectors)).all()
    fitted = fit(ClassifierName.KNN, rows, 0)
    neighbours = int(fitted.parameter.removeprefix("k = "))
    theirs = make_pipeline(shrunk(vectors), KNeighborsClassifier(neighbours)).fit(vectors, labels)
    assert np.allclose(np.exp(fitted.head.logits(vectors)), theirs.predict_proba(vectors), atol=1e-6)


@pytest.mark.parametrize("name", [ClassifierName.LOGISTIC, ClassifierName.SVM, ClassifierName.CENTROID])
def test_margins_and_distances_become_probabilities_that_hold(name: ClassifierName) -> None:
    """Mean probability of the best class is near the share of images that are right, on images never seen."""
    rows, unseen = clouds(4, 300, spread=5), clouds(4, 500, spread=5)
    head = fit(name, rows, 0).head
    vectors, labels = unseen.flat()
    probabilities = softmax(head.logits(vectors), axis=1)
    right = (probabilities.argmax(axis=1) == labels).mean()
    assert abs(probabilities.max(axis=1).mean() - right) < 0.05


def test_the_strength_is_judged_by_what_was_not_seen() -> None:
    """Noise of many dimensions: the training images are all but known by heart, and of others hardly half are right."""
    draws = np.random.default_rng(0)
    labels = np.repeat([0, 1], 30)
    noisy = draws.standard_normal((60, 300))
    fitted = fit(ClassifierName.LOGISTIC, Rows(noisy[:, np.newaxis], labels, 2), 0)
    assert (fitted.head.logits(noisy).argmax(axis=1) == labels).mean() > 0.85
    assert fitted.cv_accuracy is not None
    assert 0.3 < fitted.cv_accuracy < 0.75


def test_too_few_images_to_choose() -> None:
    rows = Rows(np.arange(12.0).reshape(3, 1, 4), np.array([0, 1, 1]), 2)
    for name in (ClassifierName.LOGISTIC, ClassifierName.SVM, ClassifierName.KNN, ClassifierName.CENTROID):
        fitted = fit(name, rows, 0)
        assert fitted.cv_accuracy is None
        assert (fitted.head.logits(rows.vectors[:, 0]).argmax(axis=1) == rows.labels).all()


def test_balanced_weights_help_the_rare_class() -> None:
    draws = np.random.default_rng(0)
    labels = np.array([0] * 300 + [1] * 15)
    vectors = draws.standard_normal((315, 1, 3)) + labels[:, np.newaxis, np.newaxis]
    for name in (ClassifierName.LOGISTIC, ClassifierName.SVM, ClassifierName.KNN):
        plain, balanced = (
            (fit(name, Rows(vectors, labels, 2, weights), 0).head.logits(vectors[:, 0]).argmax(axis=1) == 1)[
                labels == 1
            ].mean()
            for weights in (ClassWeights.NONE, ClassWeights.BALANCED)
        )
        assert balanced > plain, name


def test_views_of_an_image_are_rows_but_not_judges() -> None:
    rows = clouds(2, 30)
    views = np.concatenate([rows.vectors, rows.vectors + 0.5], axis=1)
    fitted = fit(ClassifierName.KNN, Rows(views, rows.labels, 2), 0)
    assert isinstance(fitted.head, NeighbourHead)
    assert fitted.head.vectors.shape == (120, 12)


def test_many_small_classes() -> None:
    """More rows than are compared, and fewer of each class than there would be folds."""
    draws = np.random.default_rng(0)
    labels = np.repeat(np.arange(1100), 3)
    rows = Rows(draws.standard_normal((3300, 1, 4)) + labels[:, np.newaxis, np.newaxis], labels, 1100)
    assert fit(ClassifierName.CENTROID, rows, 0).cv_accuracy is not None


def test_a_class_of_one_image_does_not_keep_the_others_from_being_compared() -> None:
    rows = clouds(3)
    labels = np.append(rows.labels, 3)
    with_one = Rows(np.concatenate([rows.vectors, rows.vectors[:1] + 50]), labels, 4)
    assert fit(ClassifierName.LOGISTIC, with_one, 0).cv_accuracy is not None


def test_features_that_all_but_never_change_count_for_nothing() -> None:
    rows = clouds(2)
    still = np.full((len(rows.labels), 1, 1), 7.0)
    still[0] = np.nextafter(np.float32(7), np.float32(8))
    head = fit(
        ClassifierName.LOGISTIC, Rows(np.concatenate([rows.vectors, still], axis=2), rows.labels, 2), 0
    ).head
    assert isinstance(head, LinearHead)
    assert np.abs(head.weights[:, -1]).max() == 0


def test_held_out_images_are_judged_by_themselves_and_not_by_a_view() -> None:
    """Views that say nothing of the class leave the accuracy on held-out images as it is."""
    rows = clouds(2, 60, spread=1)
    noise = np.random.default_rng(1).standard_normal(rows.vectors.shape) * 100
    views = np.concatenate([rows.vectors, noise], axis=1)
    fitted = fit(ClassifierName.LOGISTIC, Rows(views, rows.labels, 2), 0)
    assert fitted.cv_accuracy is not None
    assert fitted.cv_accuracy > 0.85


def test_the_standard_error_is_that_of_the_folds() -> None:
    rows = clouds(3, 40, spread=6)
    fitted = fit(ClassifierName.CENTROID, rows, 0)
    assert fitted.cv_accuracy is not None
    assert fitted.cv_standard_error is not None
    binomial = np.sqrt(fitted.cv_accuracy * (1 - fitted.cv_accuracy) / len(rows.labels))
    assert binomial / 4 < fitted.cv_standard_error < binomial * 4


def test_where_classes_count_alike_strengths_are_judged_by_the_mean_over_the_classes() -> None:
    """Of 300 and 15 images, naming all of them the first is right 95 times of 100, and half of the classes."""
    draws = np.random.default_rng(0)
    labels = np.array([0] * 300 + [1] * 15)
    rows = Rows(draws.standard_normal((315, 1, 3)), labels, 2)
    plain = fit(ClassifierName.LOGISTIC, rows, 0).cv_accuracy
    alike = fit(ClassifierName.LOGISTIC, Rows(rows.vectors, labels, 2, ClassWeights.BALANCED), 0).cv_accuracy
    assert plain is not None
    assert alike is not None
    assert plain > 0.9
    assert alike < 0.7


@pytest.mark.parametrize("name", [ClassifierName.LOGISTIC, ClassifierName.SVM, ClassifierName.CENTROID])
def test_easy_data_is_named_with_confidence_and_not_with_certainty(name: ClassifierName) -> None:
    rows = clouds(2, 60, spread=0.3)
    head = fit(name, rows, 0).head
    probabilities = softmax(head.logits(rows.flat()[0]), axis=1).max(axis=1)
    assert probabilities.mean() > 0.97
    assert probabilities.mean() < 0.99999


def test_a_feature_that_is_nearly_always_zero_does_not_outvote_the_others() -> None:
    """As of ReLU networks on a few images: a new image on which it fires is many standard deviations away."""
    draws = np.random.default_rng(0)
    labels = np.repeat(np.arange(2), 6)
    vectors = np.concatenate([labels[:, None] + draws.normal(0, 0.3, (12, 8)), np.zeros((12, 8))], axis=1)
    vectors[np.arange(8), 8 + np.arange(8)] = 0.01
    new = np.concatenate([np.full(8, 1.0), np.full(8, 0.5)])
    fitted = fit(ClassifierName.LOGISTIC, Rows(vectors[:, None], labels, 2), seed=0)
    assert isinstance(fitted.head, LinearHead)
    logits = fitted.head.logits(new[None])[0]
    assert logits[1] - logits[0] > 1
    assert logits[1] - logits[0] < 20
