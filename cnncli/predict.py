"""Images to predictions: one record for each input, in input order. Knows nothing of output formats."""

import contextlib
import dataclasses
import hashlib
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import InputError
from cnncli.images.exif import with_exif, without_exif
from cnncli.images.sources import ImageInput, require_images
from cnncli.inference import ImageOutput, Session
from cnncli.logits import reach_thresholds, top_classes
from cnncli.networks.answer_classes import AnswerClasses
from cnncli.networks.card import to_json
from cnncli.networks.class_groups import ClassGroups, merge_classes
from cnncli.networks.model_folder import ModelFolder
from cnncli.networks.predict_settings import PredictSettings
from cnncli.records.defaults import TOPK
from cnncli.records.networks import Compilation, ModelCard
from cnncli.records.predictions import (
    UNKNOWN,
    Prediction,
    Record,
    RecordLayout,
    Score,
    TaskScores,
    Unreadable,
)
from cnncli.records.progress import Progress
from cnncli.records.tasks import AnswerKind, columns_of, has_several
from cnncli.text import counted

if TYPE_CHECKING:
    from cnncli.networks.familiarity import Limit

_DEFAULT = "default"
"""Stands for an option that was not given, in the identity of a network whose tasks each have a default of their own."""


class Predictor:
    """A prepared network that is ready to classify images."""

    def __init__(self, folder: ModelFolder, settings: PredictSettings, progress: Progress) -> None:
        """Open the network's engine.

        Raises:
            UsageError: a device, an engine, a class or a label style that this network or machine does not have.
        """
        self._folder, self._settings = folder, settings
        self._classes = settings.answer_classes(folder.card)
        if settings.classes:
            count, total = len(self._classes.indices), len(self._classes.card.class_names)
            progress.notice(f"predicting {count:,} of the {total:,} classes of {folder.card.name}")
        self._questions = _questions(folder.card, self._classes, settings)
        self._session = Session(folder, settings.inference, progress)
        self._limit = _open_limit(self._session, settings, progress)

    def __str__(self) -> str:
        """Folder, engine, batch size and threads, for `--verbose`."""
        return str(self._session)

    @property
    def card(self) -> ModelCard:
        """The network's card."""
        return self._folder.card

    @property
    def answer_card(self) -> ModelCard:
        """The card with the classes that predictions are given in."""
        return self._classes.card

    @property
    def session(self) -> Session:
        """What runs the network."""
        return self._session

    @property
    def layout(self) -> RecordLayout:
        """What all predictions have in common."""
        tasks = self.card.tasks
        topk = None if tasks else self._questions[0].topk
        return RecordLayout(self._classes.labels, tasks, topk, self._settings.exif)

    def identity(self) -> Mapping[str, str | int | float | bool | None]:
        """Everything that the predictions depend on, apart from the images."""
        options = self._settings.inference
        settings, card = self._settings, self._folder.card
        defining = dataclasses.replace(card, files=(), versions=(), compilation=Compilation(None))
        topk, threshold = self._questions[0].topk, settings.threshold or 0.0
        return {
            "model": card.name,
            "card": hashlib.sha256(to_json(defining).encode()).hexdigest(),
            "weights": self._folder.digest,
            "topk": (settings.topk or _DEFAULT) if card.tasks else topk,
            "threshold": _DEFAULT if card.tasks and settings.threshold is None else threshold,
            "label_style": settings.label_style,
            "classes": self._classes.digest(),
            "exif": settings.exif,
            "unfamiliar": settings.unfamiliar,
            "known": settings.known,
            "tta": options.tta,
            "precision": self._session.precision,
            "max_pixels": options.max_pixels,
            "exact_decode": options.exact_decode,
        }

    def predict(self, sources: Iterable[ImageInput | None]) -> Generator[Record]:
        """One record for each input, in input order.

        Args:
            sources: the inputs, from `images.sources`.

        Raises:
            NotANumberError: the network overflows on some image.
        """
        if self._settings.exif:
            sources = with_exif(sources)
        with contextlib.closing(self.outputs(sources)) as outputs:
            for output in outputs:
                yield self.record(output)

    def outputs(self, sources: Iterable[ImageInput | None]) -> Generator[ImageOutput | Unreadable]:
        """What `record` takes: probabilities (K,) of each image, followed by its score if unfamiliar images are to be told apart."""
        if self._limit is None:
            return self._session.probabilities(sources)
        return self._session.scores(sources, self._limit.detector.scores, after_probabilities=True)

    def record(
        self, output: ImageOutput | Unreadable, topk: int | None = None, threshold: float | None = None
    ) -> Record:
        """The record of an image.

        Args:
            output: of `outputs`.
            topk: as in `PredictSettings`; None for that of the settings.
            threshold: likewise.
        """
        if isinstance(output, Unreadable):
            return output
        questions = self._questions
        if topk is not None or threshold is not None:
            own = self._settings
            threshold = own.threshold if threshold is None else threshold
            settings = dataclasses.replace(own, topk=topk or own.topk, threshold=threshold)
            questions = _questions(self.card, self._classes, settings)
        reason = self._limit.reason(float(output.values[-1])) if self._limit else None
        scores = [question.scores(output.values, is_known=reason is None) for question in questions]
        tasks = self.card.tasks
        source, exif = without_exif(output.source)
        if not has_several(tasks):
            return Prediction(source, scores[0], kind=questions[0].kind, exif=exif, reason=reason)
        answers = tuple(
            TaskScores(task.name, own_scores, task.kind)
            for task, own_scores in zip(tasks, scores, strict=True)
        )
        return Prediction(source, (), answers, exif=exif, reason=reason)


@frozen_dataclass
class _Question:
    """Which of its K classes a task answers with; a network without tasks asks a single question.

    Attributes:
        columns: of its K classes among those of all tasks.
        labels, indices: G, of the classes that answers are given in, as they are written.
        groups: (K,), index among the G of each class; None if these are the K.
        kind: how many classes are right.
        topk: largest number of classes of a prediction; at most G.
        thresholds: (G,), the least probability of an answer.
    """

    columns: slice
    labels: Sequence[str]
    indices: Sequence[int]
    groups: ClassGroups | None
    kind: AnswerKind
    topk: int
    thresholds: Sequence[float]

    def scores(self, values: NDArray[np.float32], *, is_known: bool) -> tuple[Score, ...]:
        """The answers about an image, most probable first.

        Args:
            values: begin with the probabilities of the classes of all tasks.
            is_known: whether the image may show one of the classes; no class is an answer otherwise.
        """
        shares = values[self.columns]
        if self.groups is not None:
            (shares,) = merge_classes(shares[None], self.groups)
        is_answer = reach_thresholds(shares, self.thresholds) & is_known
        (ranked,) = top_classes(shares[None], len(shares))
        if self.kind is AnswerKind.SEVERAL:
            ranked = ranked[is_answer[ranked]]
        return tuple(
            Score(self.indices[index], self.labels[index], float(shares[index]))
            if is_answer[index]
            else Score(None, UNKNOWN, float(shares[index]))
            for index in ranked[: self.topk]
        )


def _open_limit(session: Session, settings: PredictSettings, progress: Progress) -> "Limit | None":
    """What tells unfamiliar images from known ones; None if nothing should."""
    if settings.unfamiliar is None:
        return None
    from cnncli.networks.familiarity import Detector, Limit

    detector = Detector.open(session.folder)
    if settings.known is None:
        return Limit(detector, detector.threshold(settings.unfamiliar))
    images = require_images(settings.known, "--known")
    with progress.activity(f"scoring {counted(len(images), 'known image')}"):
        outputs = list(session.scores(images, detector.scores))
    known = [output.values for output in outputs if isinstance(output, ImageOutput)]
    if not known:
        raise InputError(
            f"--known {settings.known}: no image can be read", "give images of the model's classes"
        )
    return Limit(detector, detector.threshold(settings.unfamiliar, np.concatenate(known)))


def _questions(card: ModelCard, classes: AnswerClasses, settings: PredictSettings) -> list[_Question]:
    """The questions that a network answers, as the settings want them answered."""
    if not card.tasks:
        return [_question(slice(0, len(card.class_names)), classes, AnswerKind.ONE, None, settings)]
    return [
        _question(columns, classes, task.kind, task.thresholds, settings)
        for columns, task in zip(columns_of(card.tasks), card.tasks, strict=True)
    ]


def _question(
    columns: slice,
    classes: AnswerClasses,
    kind: AnswerKind,
    thresholds: Sequence[float] | None,
    settings: PredictSettings,
) -> _Question:
    """A question; arguments as its attributes, with the thresholds of the card."""
    shown = columns if classes.groups is None else slice(None)
    labels, indices = classes.labels[shown], classes.indices[shown]
    topk = settings.topk or (TOPK if kind is AnswerKind.ONE else len(labels))
    if settings.threshold is not None or thresholds is None:
        thresholds = (settings.threshold or 0.0,) * len(labels)
    return _Question(columns, labels, indices, classes.groups, kind, min(topk, len(labels)), thresholds)
