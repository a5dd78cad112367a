"""Accuracy after three rounds of 50 images that `next` chooses, beside random images.

    python -m benchmarks.next_labels DATA

DATA is a labelled folder with train/ and val/: ten classes of Tiny ImageNet. Two images of each class are labelled at first. In each
round, a classifier is fitted to the features of the default network for the images labelled so far, as `finetune --tune features
--classifier logistic` does, and evaluated on val; then 50 more are labelled. Five seeds.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.results import publish, table
from cnncli.curation.next_labels import choose_diverse, uncertainties
from cnncli.data import layout
from cnncli.data.folds import Indices
from cnncli.features.embed import Embedder, EmbedSettings
from cnncli.logits import probabilities
from cnncli.networks.reference import Reference
from cnncli.prepare import prepare
from cnncli.records.data import Split
from cnncli.records.defaults import DEFAULT
from cnncli.records.progress import NullProgress
from cnncli.records.training import ClassifierName
from cnncli.training.features.classifiers import Rows
from cnncli.training.features.cross_validation import fit

ROUNDS, IMAGES, AT_FIRST, SEEDS = 3, 50, 2, range(5)
METHODS = ("next", "random")


def main() -> None:
    """Measure and publish."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    data = layout.read(Path(sys.argv[1]))
    folder = prepare(Reference(DEFAULT), NullProgress(), is_offline=True)
    embeddings = Embedder(folder, EmbedSettings(), NullProgress()).embed(
        [sample.source for sample in data.samples]
    )
    labels = np.array([sample.label for sample in data.samples], np.intp)
    is_train = np.array([sample.split is Split.TRAIN for sample in data.samples])
    learner = Learner(embeddings.vectors[:, 0], labels, is_train, len(data.class_names))
    rows, last = [], []
    for method in METHODS:
        accuracies = np.array([learner.accuracies(method, seed) for seed in SEEDS])
        means, deviations = accuracies.mean(axis=0), accuracies.std(axis=0, ddof=1)
        rows.append(
            [method, *(f"{100 * m:.1f} % ± {100 * d:.1f} %" for m, d in zip(means, deviations, strict=True))]
        )
        last.append(means[-1])
    counts = [AT_FIRST * len(data.class_names) + IMAGES * number for number in range(ROUNDS + 1)]
    header = ("chosen by", *(f"{count} labels" for count in counts))
    publish(
        "next_labels",
        "What to label next",
        f"{table(header, rows)}\n\nAccuracy on {np.sum(~is_train):,} images of {data.name}, of which {np.sum(is_train):,} others could be "
        "labelled; mean and standard deviation of five seeds. Target: at least as accurate as random choice after the last round. "
        f"{'Reached' if last[0] >= last[1] else 'Missed'}.",
        ("DATA",),
    )


class Learner:
    """Embeddings (N, D) and labels (N,) of which more and more are used."""

    def __init__(
        self, vectors: NDArray[np.float32], labels: Indices, is_train: NDArray[np.bool_], classes: int
    ) -> None:
        """Keep them."""
        self._vectors, self._labels, self._classes = vectors, labels, classes
        self._pool, self._val = np.flatnonzero(is_train), np.flatnonzero(~is_train)

    def accuracies(self, method: str, seed: int) -> list[float]:
        """The accuracy before the first round and after each."""
        rng = np.random.default_rng(seed)
        pools = [
            rng.permutation(self._pool[self._labels[self._pool] == label]) for label in range(self._classes)
        ]
        labelled = np.concatenate([pool[:AT_FIRST] for pool in pools])
        accuracies = []
        for _ in range(ROUNDS + 1):
            print(method, seed, len(labelled), file=sys.stderr)
            rows = Rows(
                self._vectors[labelled, np.newaxis].astype(np.float64), self._labels[labelled], self._classes
            )
            head = fit(ClassifierName.LOGISTIC, rows, seed).head
            predicted = head.logits(self._vectors[self._val].astype(np.float64)).argmax(axis=1)
            accuracies.append(float((predicted == self._labels[self._val]).mean()))
            unlabelled = np.setdiff1d(self._pool, labelled)
            shares = probabilities(
                head.logits(self._vectors[unlabelled].astype(np.float64)).astype(np.float32)
            )
            chosen = (
                choose_diverse(uncertainties(shares, ()), self._vectors[unlabelled], IMAGES)
                if method == "next"
                else rng.choice(len(unlabelled), IMAGES, replace=False)
            )
            labelled = np.concatenate([labelled, unlabelled[chosen]])
        return accuracies


if __name__ == "__main__":
    main()
