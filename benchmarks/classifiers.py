"""Fitting classifiers to features, compared with scikit-learn doing the same: hyperparameters by cross-validation, then the final fit.

    python -m benchmarks.classifiers DATA

DATA has a folder for each class, e.g. `cnncli datasets get digits digits`. Features of the default network are computed once, and are not
part of the times; a fifth of the images is kept for the accuracy. With 500 to 3,000 images, both compare the same strengths of penalty or
numbers of neighbours in five folds of standardised features, whose variances cnncli enlarges by a share of their mean. Of scikit-learn's
ways, each with one job and with one per core, the fastest in the first round is measured again.
"""

import functools
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

import cnncli
from benchmarks.results import publish, table
from cnncli.engines.cores import usable_cores
from cnncli.images.sources import require_images
from cnncli.records.defaults import DEFAULT
from cnncli.records.training import ClassifierName
from cnncli.training.features import hyperparameters
from cnncli.training.features.classifiers import Rows
from cnncli.training.features.cross_validation import FOLDS, fit

ROUNDS, TARGET = 3, 1.5
TOLERANCE = 1e-3
"""scikit-learn's in cross-validation, where cnncli's is the same; cnncli's final fit is ten times finer."""

Fit = Callable[[], float]
"""Fits a classifier; returns its accuracy."""
Split = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]
"""Features to train on and others (N, D), and their labels (N,)."""


def main() -> None:
    """Measure and publish."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    data = Path(sys.argv[1])
    split = _split(data)
    warnings.simplefilter("ignore", ConvergenceWarning)
    rows, ours, theirs = [], np.zeros(ROUNDS), np.zeros(ROUNDS)
    for name, ways in _scikit_learn(split).items():
        fastest = min((_time(fit_once)[0], way) for way, fit_once in ways.items())[1]
        pairs = [(_time(functools.partial(_fit, name, split)), _time(ways[fastest])) for _ in range(ROUNDS)]
        mine, other = (np.array([pair[side][0] for pair in pairs]) for side in (0, 1))
        ours, theirs = ours + mine, theirs + other
        accuracies = [f"{100 * accuracy:.1f} %" for _, accuracy in pairs[0]]
        rows.append([str(name), *_seconds(mine, other), *accuracies, fastest])
    rows.append(["all", *_seconds(ours, theirs), "", "", ""])
    ratio = statistics.median(ours / theirs)
    reached = "Reached" if ratio <= TARGET else "Missed"
    header = (
        "classifier",
        "cnncli",
        "scikit-learn",
        "cnncli / scikit-learn",
        "accuracy",
        "scikit-learn's",
        "fastest way",
    )
    publish(
        "classifiers",
        "Classifiers on features",
        f"{table(header, rows)}\n\n{len(split[0]):,} images of {data.name} and {split[0].shape[1]:,} features, accuracy on {len(split[1]):,} "
        f"others; medians of {ROUNDS} rounds. Target: at most {TARGET} times scikit-learn. {reached}.",
        ("DATA",),
    )


def _split(data: Path) -> Split:
    classes = sorted(path for path in data.iterdir() if path.is_dir())
    images = [list(require_images(str(path), "DATA")) for path in classes]
    labels = np.repeat(np.arange(len(classes)), [len(paths) for paths in images])
    classifier = cnncli.load(DEFAULT, offline=True)
    features = classifier.embed([image.path for paths in images for image in paths])
    train, other, train_labels, other_labels = train_test_split(
        features.astype(np.float64), labels, test_size=0.2, stratify=labels, random_state=0
    )
    return train, other, train_labels, other_labels


def _seconds(mine: NDArray[np.float64], other: NDArray[np.float64]) -> list[str]:
    return [
        f"{statistics.median(mine):.1f} s",
        f"{statistics.median(other):.1f} s",
        f"{statistics.median(mine / other):.2f}",
    ]


def _time(fit_once: Fit) -> tuple[float, float]:
    """Seconds, and the accuracy."""
    start = time.perf_counter()
    accuracy = fit_once()
    return time.perf_counter() - start, accuracy


def _fit(name: ClassifierName, split: Split) -> float:
    train, other, labels, other_labels = split
    result = fit(name, Rows(train[:, np.newaxis], labels, labels.max() + 1), 0)
    return float((result.head.logits(other).argmax(axis=1) == other_labels).mean())


def _scikit_learn(split: Split) -> Mapping[ClassifierName, Mapping[str, Fit]]:
    """The ways of each classifier, by description."""
    train, other, labels, other_labels = split

    def accuracy(estimator: Any) -> Fit:  # noqa: ANN401 - scikit-learn has no types
        def fit_once() -> float:
            fitted = make_pipeline(StandardScaler(), estimator).fit(train, labels)
            return float((fitted.predict(other) == other_labels).mean())

        return fit_once

    def values(name: ClassifierName) -> list[Any]:
        return [item.parameter for item in hyperparameters.candidates(name, len(train))]

    ways: dict[ClassifierName, dict[str, Fit]] = {
        name: {} for name in (ClassifierName.LOGISTIC, ClassifierName.SVM, ClassifierName.KNN)
    }
    for jobs in sorted({1, usable_cores()}):
        ways[ClassifierName.LOGISTIC][f"LogisticRegressionCV, {jobs} jobs"] = accuracy(
            LogisticRegressionCV(
                l1_ratios=(0.0,),
                Cs=values(ClassifierName.LOGISTIC),
                cv=FOLDS,
                scoring="neg_log_loss",
                tol=TOLERANCE,
                max_iter=1000,
                n_jobs=jobs,
                use_legacy_attributes=False,
            )
        )
        ways[ClassifierName.SVM][f"LinearSVC, {jobs} jobs"] = accuracy(
            GridSearchCV(
                LinearSVC(
                    dual=True, tol=TOLERANCE
                ),  # the primal takes minutes with as many features as images
                {"C": values(ClassifierName.SVM)},
                cv=FOLDS,
                n_jobs=jobs,
            )
        )
        neighbours = [int(k) for k in values(ClassifierName.KNN)]
        ways[ClassifierName.KNN][f"KNeighborsClassifier, {jobs} jobs"] = accuracy(
            GridSearchCV(KNeighborsClassifier(), {"n_neighbors": neighbours}, cv=FOLDS, n_jobs=jobs)
        )
    return ways


if __name__ == "__main__":
    main()
