"""`--tune features`: the network stays as it is, and a classifier is fitted to what it makes of the images.

The first way of transfer learning that a course teaches. Nothing of torch is imported where the network is prepared:
embeddings come from ONNX Runtime, and the new classifier is put into the compiled network and into its weights.
"""

import contextlib
import dataclasses
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cnncli.data import layout
from cnncli.data.split import require_learnable, split
from cnncli.engines.heads import Array, ClassifierHead
from cnncli.evaluation.metrics import accuracy, confusion
from cnncli.features.embed import Embedder, EmbedSettings
from cnncli.images.loader import Reader
from cnncli.images.preprocess import Pixels
from cnncli.networks import model_folder
from cnncli.networks.model_folder import ModelFolder
from cnncli.prepare import prepare
from cnncli.records.data import DataSet, Part, Sample
from cnncli.records.evaluation import Accuracy
from cnncli.records.networks import Compilation, Metric, ModelCard, PackageVersion
from cnncli.records.predictions import ImageSource, Unreadable
from cnncli.records.progress import Progress
from cnncli.records.training import ClassifierName, FinetuneResult, Step, Trial
from cnncli.training import run_folder
from cnncli.training import tables as tables_of
from cnncli.training.headed import require_trainable, write_headed
from cnncli.training.settings import FinetuneSettings, recorded, versions
from cnncli.training.tables import Answer

if TYPE_CHECKING:
    from cnncli.training.classifiers import Rows

Bar = Callable[[int], AbstractContextManager[Callable[[], None]]]
"""Given how many images there are to do, a function to call once for each."""

_COMPARED = 8
"""Images on which the finished network is compared with what it was made of."""

_TRIED = (ClassifierName.LOGISTIC, ClassifierName.SVM, ClassifierName.CENTROID, ClassifierName.KNN)
"""By `auto`, in this order: linear ones first, whose answers are probabilities and which can be trained further."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What can be read of a part of the data.

    Attributes:
        samples: N images.
        vectors: (N, V, D), their embeddings and those of their views.
        digests: SHA-256 of each file.
    """

    samples: tuple[Sample, ...]
    vectors: Array
    digests: tuple[str, ...]

    @property
    def labels(self) -> "np.ndarray[tuple[int], np.dtype[np.intp]]":
        """(N,), the index of each image's class."""
        return np.array([sample.label for sample in self.samples], np.intp)


class _Clock:
    """Where the time goes."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A part of the work."""
        start = time.perf_counter()
        yield
        self.steps.append(Step(name, time.perf_counter() - start))


def finetune_features(
    settings: FinetuneSettings, progress: Progress, bar: Bar, *, is_offline: bool = False
) -> FinetuneResult:
    """Fit a classifier to a network's embeddings of labelled images, and write both as a model folder.

    Args:
        settings: what is asked for.
        progress: hears what is being done, and what was left out.
        bar: moves while images are looked at.
        is_offline: download nothing.

    Raises:
        CnncliError: the data or the network are not fit for it, or the run cannot be written.
    """
    clock = _Clock()
    progress.notice(f"starting from {settings.reference.name}, whose features stay as they are")
    with clock.step("looking for the images"):
        data = split(layout.read(settings.data, settings.columns), settings.val_split, settings.seed)
        target = run_folder.chosen(settings.output, data.name, overwrite=settings.overwrite)
    with clock.step("opening the network"):
        folder = prepare(settings.reference, progress, is_offline=is_offline)
        require_trainable(folder)
    progress.notice(f"{data.name}: {_counted(data)}; classes {_listed(data.class_names)}")
    for remark in data.remarks:
        progress.warning(remark)
    with clock.step("embeddings"):
        parts, unreadable = _embedded(folder, data, settings, progress, bar)
    for record in unreadable:
        progress.warning(f"{record.source.path} is left out: {record.reason}")
    data = _readable(data, parts)
    with clock.step("importing scikit-learn"):
        from cnncli.training.classifiers import Rows  # only now: whatever fails before should do so at once
    train, val, test = (parts[part] for part in Part)
    rows = Rows(train.vectors.astype(np.float64), train.labels, len(data.class_names), settings.class_weights)
    with clock.step("classifiers"):
        tried = [_tried(name, rows, train, val, settings.seed) for name in _names(settings.classifier)]
        (trial, head), why = _best(tried)
    tested = _accuracy(head, test) if test.samples else None
    with clock.step("writing"):
        card = _card(folder, target.name, data, trial, tested)
        told = {part: _answers(head, parts[part], part, data) for part in (Part.VAL, Part.TEST)}
        tables = [
            tables_of.splits(data),
            tables_of.predictions([answer for answers in told.values() for answer in answers]),
            tables_of.classifiers([item for item, _ in tried]),
            *tables_of.unreadable(unreadable, data.root),
        ]
        pictures = {"confusion_matrix.png": _confusion_png(head, val, data)}
        with model_folder.drafted(target, replaces=target.exists()) as draft:
            write_headed(draft, folder, head, card, _first_pixels(folder, val, settings))
            run_folder.write(draft, tables, recorded(settings, folder.card, _digest(data, parts)), pictures)
    return FinetuneResult(
        folder=str(target),
        model=folder.card.name,
        class_names=data.class_names,
        images=(len(train.samples), len(val.samples), len(test.samples)),
        trials=tuple(item for item, _ in tried),
        chosen=trial,
        why=why,
        test=tested,
        steps=tuple(clock.steps),
        unreadable=tuple(record.source.path for record in unreadable),
        remarks=data.remarks,
    )


# ---- images


def _counted(data: DataSet) -> str:
    told = [f"{len(samples):,} {part}" for part in Part if (samples := data.part(part))]
    return f"{len(data.class_names):,} classes, {len(data.samples):,} images ({', '.join(told)})"


def _listed(names: Sequence[str], limit: int = 12) -> str:
    shown = ", ".join(f"{index} {name}" for index, name in enumerate(names[:limit]))
    return shown + (f", … {len(names) - 1} {names[-1]}" if len(names) > limit else "")


def _embedded(
    folder: ModelFolder, data: DataSet, settings: FinetuneSettings, progress: Progress, bar: Bar
) -> tuple[dict[Part, _Part], list[Unreadable]]:
    """Embeddings of all that can be read, and what cannot."""
    wish = EmbedSettings(
        settings.seed, settings.max_pixels, settings.running, settings.batch_size, settings.workers
    )
    embedder = Embedder(folder, wish, progress)
    views = {Part.TRAIN: settings.augment_features, Part.VAL: 0, Part.TEST: 0}
    parts: dict[Part, _Part] = {}
    unreadable: list[Unreadable] = []
    with bar(sum(len(data.part(part)) * (1 + count) for part, count in views.items())) as advance:
        for part, count in views.items():
            samples = data.part(part)
            made = embedder.embed([sample.path for sample in samples], count, advance)
            rows = [row for row, digest in enumerate(made.digests) if digest]
            parts[part] = _Part(
                tuple(samples[row] for row in rows),
                made.vectors[rows].astype(np.float64),
                tuple(digest for digest in made.digests if digest),
            )
            unreadable += made.unreadable
    return parts, unreadable


def _readable(data: DataSet, parts: Mapping[Part, _Part]) -> DataSet:
    """The data set without what cannot be read; still fit to learn from."""
    samples = tuple(sample for part in Part for sample in parts[part].samples)
    readable = dataclasses.replace(data, samples=samples)
    require_learnable(readable)
    return readable


def _first_pixels(folder: ModelFolder, part: _Part, settings: FinetuneSettings) -> Pixels:
    """(N, C, H, W) of the first few images."""
    read = Reader(folder.card.preprocessing, settings.max_pixels)
    images = [read(ImageSource(sample.path)) for sample in part.samples[:_COMPARED]]
    return np.stack([image for image in images if not isinstance(image, Unreadable)])


# ---- classifiers


def _names(asked: ClassifierName) -> Sequence[ClassifierName]:
    return _TRIED if asked is ClassifierName.AUTO else (asked,)


def _tried(
    name: ClassifierName, rows: "Rows", train: _Part, val: _Part, seed: int
) -> tuple[Trial, ClassifierHead]:
    from cnncli.training.classifiers import fit

    start = time.perf_counter()
    fitted = fit(name, rows, seed)
    seconds = time.perf_counter() - start
    return Trial(
        name,
        fitted.strength,
        fitted.accuracy,
        fitted.deviation,
        _accuracy(fitted.head, train),
        _accuracy(fitted.head, val),
        seconds,
    ), fitted.head


def _best(
    tried: Sequence[tuple[Trial, ClassifierHead]],
) -> tuple[tuple[Trial, ClassifierHead], str]:
    """The first that is as good as the best: within one standard error of it (Breiman et al., 1984).

    Judged by cross-validation on the training images, so that the validation images still say something new.
    """
    if len(tried) == 1:
        return tried[0], "the one that was asked for"
    measured = [item for item in tried if item[0].cross_validated is not None]
    if not measured:
        return tried[0], "too few images of some class to compare classifiers"
    best = max((trial for trial, _ in measured), key=lambda trial: trial.cross_validated or 0)
    least = (best.cross_validated or 0) - (best.deviation or 0)
    chosen = next(item for item in measured if (item[0].cross_validated or 0) >= least)
    if chosen[0] is best:
        return chosen, "best in cross-validation"
    return chosen, f"within one standard error of {best.name} in cross-validation, and simpler"


def _accuracy(head: ClassifierHead, part: _Part) -> Accuracy:
    return accuracy(head.logits(part.vectors[:, 0]).argmax(axis=1), part.labels)


# ---- what is written


def _card(folder: ModelFolder, name: str, data: DataSet, trial: Trial, test: Accuracy | None) -> ModelCard:
    """Of the run; what its classifier changes is put right when it is written."""
    measured = {"train_top1": trial.train, "val_top1": trial.val} | ({"test_top1": test} if test else {})
    origin = folder.card.weights_origin
    return dataclasses.replace(
        folder.card,
        name=name,
        class_names=data.class_names,
        synsets=None,
        weights_origin=f"{folder.card.name} ({origin}), {trial.name} on its features of {data.name}",
        compilation=Compilation(None),
        files=(),
        versions=tuple(PackageVersion(*item) for item in versions().items()),
        metrics=tuple(
            Metric(what, found.share, found.low, found.high, found.images) for what, found in measured.items()
        ),
    )


def _answers(head: ClassifierHead, part: _Part, what: Part, data: DataSet) -> list[Answer]:
    """What the classifier says of each image."""
    if not part.samples:
        return []
    logits = head.logits(part.vectors[:, 0])
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    best = probabilities.argmax(axis=1)
    return [
        Answer(
            os.path.relpath(sample.path, data.root),
            what,
            data.class_names[sample.label],
            data.class_names[best[row]],
            float(probabilities[row, best[row]]),
            float(probabilities[row, sample.label]),
        )
        for row, sample in enumerate(part.samples)
    ]


def _confusion_png(head: ClassifierHead, part: _Part, data: DataSet) -> bytes:
    from cnncli.render.confusion import confusion_png  # matplotlib, half a second

    predicted = head.logits(part.vectors[:, 0]).argmax(axis=1)
    return confusion_png(confusion(predicted, part.labels, len(data.class_names)), data.class_names)


def _digest(data: DataSet, parts: Mapping[Part, _Part]) -> str:
    """SHA-256 of a listing of the data: part, class, and digest of each file, in whatever order they were found."""
    lines = sorted(
        f"{part}\t{data.class_names[sample.label]}\t{digest}\n"
        for part, found in parts.items()
        for sample, digest in zip(found.samples, found.digests, strict=True)
    )
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
