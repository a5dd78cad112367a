"""`finetune --tune features --classifier logistic` on a few images per class, compared with fixed hyperparameters.

    python -m benchmarks.few_images WEIGHTS DATA...

WEIGHTS are those of torchvision's squeezenet1_0. Each DATA is a labelled folder: ants_bees, digits (`cnncli datasets get`) and ten
classes of Tiny ImageNet. Embeddings are computed once. Then, for each number of images per class, classifiers are fitted to images
drawn at random from the training split, and evaluated on the validation split. Also writes the table in docs/training.md.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from benchmarks.results import publish, table
from cnncli.data import layout
from cnncli.data.stratified import split_stratified
from cnncli.features.embed import Embedder, EmbedSettings
from cnncli.logits import cross_entropy
from cnncli.networks import pocket
from cnncli.networks.reference import Reference
from cnncli.prepare import prepare
from cnncli.records.data import Split
from cnncli.records.defaults import DEFAULT
from cnncli.records.progress import NullProgress
from cnncli.records.training import ClassifierName
from cnncli.training.features.classifiers import Rows
from cnncli.training.features.cross_validation import fit

DRAWS = 20
SIZES: Sequence[tuple[int, ...]] = ((1,), (2,), (3,), (5,), (10,), (20,), (50,), (60, 2))
"""Images of the classes, in turn: all have the same number, or 60 and 2."""
VAL_SHARE, SEED, C = 0.4, 0, 0.01
"""Share of each class that is held out where a folder has no validation split; seed; C of the fixed hyperparameters."""
MOST_BEHIND = 0.01, 0.1
"""The target: accuracy, and share of the log loss, by which cnncli may be behind."""
DOCS = Path(__file__).parents[1] / "docs" / "training.md"

Array = NDArray[np.float64]
Labels = NDArray[np.intp]


@dataclass(frozen=True)
class Embedded:
    """Embeddings (N, D) and labels (N,) of a data set's training and validation split."""

    train: Array
    train_labels: Labels
    val: Array
    val_labels: Labels


@dataclass(frozen=True)
class Outcome:
    """Accuracy and log loss on the validation split."""

    accuracy: float
    loss: float

    def __str__(self) -> str:
        return f"{100 * self.accuracy:.1f} %, {self.loss:.2f}"


Method = Callable[[Array, Labels, Array], Array]
"""Logits (M, K) of new embeddings (M, D), from training embeddings (N, D) and their labels (N,)."""


def main() -> None:
    """Measure and write both tables."""
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    models = {
        pocket.NAME: Reference(pocket.NAME),
        "SqueezeNet": Reference("squeezenet1_0", Path(sys.argv[1])),
        "lite0": Reference(DEFAULT),
    }
    rows, short, misses = [], [], []
    for name, reference in models.items():
        for data in map(Path, sys.argv[2:]):
            print(data.name, name, file=sys.stderr)
            embedded = _embed(reference, data)
            outcomes = {counts: _measure(embedded, counts) for counts in SIZES}
            rows += [
                [data.name, name, _counts_text(counts), *map(str, item)] for counts, item in outcomes.items()
            ]
            misses += [
                f"{name} on {data.name} with {_counts_text(counts)} ({text})"
                for counts, item in outcomes.items()
                if (text := _miss(item))
            ]
            short.append(
                [data.name, name, *(f"{100 * outcomes[counts][0].accuracy:.0f} %" for counts in SIZES)]
            )
    header = ("data", "network", "images per class", *METHODS)
    publish(
        "few_images",
        "Few images per class",
        f"{table(header, rows)}\n\nAccuracy and log loss on the validation split, means of {DRAWS} random draws. cnncli is "
        "`finetune --tune features --classifier logistic`. The others are logistic regression with "
        f"C = {C}; shrunk variances standardise features with a tenth of their mean variance added to each variance, and common "
        "scale divides all features by the same number. lite0 is the default model, EfficientNet-Lite0. Target: nowhere behind the "
        "better of the two by more than a point of accuracy or a tenth of the log loss. "
        f"Missed in {len(misses)} of {len(rows)} rows: {'; '.join(misses) or 'none'}.",
        ("WEIGHTS", "DATA..."),
    )
    _write_docs(table(("data", "network", *map(_counts_text, SIZES)), short))


def _miss(outcomes: Sequence[Outcome]) -> str:
    """How far cnncli is behind the better of the others; empty where the target is met."""
    own, *others = outcomes
    accuracy = own.accuracy - max(other.accuracy for other in others)
    loss = own.loss / min(other.loss for other in others) - 1
    parts = [f"{100 * accuracy:+.1f} points"] if accuracy < -MOST_BEHIND[0] else []
    return ", ".join(parts + ([f"{100 * loss:+.0f} % log loss"] if loss > MOST_BEHIND[1] else []))


def _counts_text(counts: Sequence[int]) -> str:
    return " or ".join(map(str, counts))


def _embed(reference: Reference, data: Path) -> Embedded:
    folder = prepare(reference, NullProgress(), is_offline=True)
    samples = split_stratified(layout.read(data), VAL_SHARE, SEED).samples
    embeddings = Embedder(folder, EmbedSettings(), NullProgress()).embed(
        [sample.source for sample in samples]
    )
    vectors = embeddings.vectors[:, 0].astype(np.float64)
    labels = np.array([sample.label for sample in samples], np.intp)
    is_train = np.array([sample.split is Split.TRAIN for sample in samples])
    return Embedded(vectors[is_train], labels[is_train], vectors[~is_train], labels[~is_train])


def _measure(embedded: Embedded, counts: Sequence[int]) -> list[Outcome]:
    """The mean outcome of each method."""
    outcomes = np.array(
        [
            [_outcome(method, embedded, drawn) for method in METHODS.values()]
            for drawn in _draws(embedded.train_labels, counts)
        ]
    )
    return [Outcome(*values) for values in outcomes.mean(axis=0)]


def _draws(labels: Labels, counts: Sequence[int]) -> Iterator[Labels]:
    """Indices of random training images, as many of each class as `counts` says in turn."""
    for draw in range(DRAWS):
        rng = np.random.default_rng([SEED, draw])
        yield np.concatenate(
            [
                rng.permutation(np.flatnonzero(labels == label))[: counts[label % len(counts)]]
                for label in np.unique(labels)
            ]
        )


def _outcome(method: Method, embedded: Embedded, drawn: Labels) -> tuple[float, float]:
    logits = method(embedded.train[drawn], embedded.train_labels[drawn], embedded.val)
    accuracy = float((logits.argmax(axis=1) == embedded.val_labels).mean())
    return accuracy, cross_entropy(logits.astype(np.float32), embedded.val_labels)


# ---- methods


def _cnncli(vectors: Array, labels: Labels, unseen: Array) -> Array:
    """What `--classifier logistic` fits."""
    rows = Rows(vectors[:, np.newaxis], labels, int(labels.max()) + 1)
    return fit(ClassifierName.LOGISTIC, rows, SEED).head.logits(unseen)


def _shrunk_variances(vectors: Array, labels: Labels, unseen: Array) -> Array:
    variances = vectors.var(axis=0)
    return _fixed(vectors, labels, unseen, np.sqrt(variances + 0.1 * variances.mean()))


def _common_scale(vectors: Array, labels: Labels, unseen: Array) -> Array:
    return _fixed(vectors, labels, unseen, np.sqrt(vectors.var(axis=0).mean()))


def _fixed(vectors: Array, labels: Labels, unseen: Array, scale: Array) -> Array:
    """Logistic regression on centred features, divided by `scale`."""
    shift = vectors.mean(axis=0)
    model = LogisticRegression(C=C, max_iter=1000).fit((vectors - shift) / scale, labels)
    logits: Array = model.predict_log_proba((unseen - shift) / scale)
    return logits


METHODS: Mapping[str, Method] = {
    "cnncli": _cnncli,
    "shrunk variances": _shrunk_variances,
    "common scale": _common_scale,
}


def _write_docs(text: str) -> None:
    """Replace the table in the documentation."""
    page = DOCS.read_text(encoding="utf-8")
    begin, end = "<!-- few_images -->\n", "<!-- end of few_images -->\n"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    DOCS.write_text(pattern.sub(lambda _: f"{begin}{text}\n{end}", page), encoding="utf-8")


if __name__ == "__main__":
    main()
