"""Images to predictions: one record for each input, in input order. Knows nothing of output formats."""

import contextlib
import dataclasses
import hashlib
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cnncli.errors import UsageError
from cnncli.images.sources import ImageInput
from cnncli.inference import ImageOutput, InferenceOptions, Session
from cnncli.logits import reach_thresholds, top_classes
from cnncli.networks.card import to_json
from cnncli.networks.labels import labels
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.defaults import TOPK
from cnncli.records.networks import Compilation, ModelCard
from cnncli.records.predictions import (
    UNKNOWN,
    LabelStyle,
    Prediction,
    Record,
    RecordLayout,
    Score,
    TaskScores,
    Unreadable,
)
from cnncli.records.progress import Progress
from cnncli.records.tasks import AnswerKind, columns_of, has_several, kinds_of

_DEFAULT = "default"
"""Stands for an option that was not given, in the identity of a network whose tasks each have a default of their own."""


@dataclass(frozen=True, slots=True)
class PredictSettings:
    """What a prediction contains, and how images go through the network.

    Attributes:
        topk: number of classes of a prediction, most probable first. None for `TOPK`, but for all above their thresholds where
            several can be right.
        threshold: a class less probable than this is called `unknown`; where several can be right, it is left out. None for 0,
            but for the card's thresholds where several can be right.
        label_style: names, WordNet identifiers or indices as labels.
        inference: engine, batches, decoding.
    """

    topk: int | None = None
    threshold: float | None = None
    label_style: LabelStyle = LabelStyle.NAME
    inference: InferenceOptions = field(default_factory=InferenceOptions)

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise UsageError(f"--threshold {self.threshold} is not a probability", "use a value from 0 to 1")


class Predictor:
    """A prepared network that is ready to classify images."""

    def __init__(self, folder: ModelFolder, settings: PredictSettings, progress: Progress) -> None:
        """Open the network's engine.

        Raises:
            UsageError: a device, an engine or a label style that this network or machine does not have.
        """
        self._folder, self._settings = folder, settings
        self._labels = labels(folder.card, settings.label_style)
        self._questions = _questions(folder.card, self._labels, settings)
        self._session = Session(folder, settings.inference, progress)

    def __str__(self) -> str:
        """Folder, engine, batch size and threads, for `--verbose`."""
        return str(self._session)

    @property
    def card(self) -> ModelCard:
        """The network's card."""
        return self._folder.card

    @property
    def session(self) -> Session:
        """What runs the network."""
        return self._session

    @property
    def layout(self) -> RecordLayout:
        """What all predictions have in common."""
        tasks = self.card.tasks
        return RecordLayout(self._labels, tasks, None if tasks else self._questions[0].topk)

    def identity(self) -> Mapping[str, str | int | float | bool]:
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
        with contextlib.closing(self._session.probabilities(sources)) as outputs:
            for output in outputs:
                yield output if isinstance(output, Unreadable) else self._prediction(output)

    def _prediction(self, output: ImageOutput) -> Prediction:
        """The answers about an image with the probabilities (K,) of the classes of all tasks."""
        scores = [question.scores(output.values) for question in self._questions]
        tasks = self.card.tasks
        if not has_several(tasks):
            return Prediction(output.source, scores[0])
        answers = tuple(
            TaskScores(task.name, own_scores) for task, own_scores in zip(tasks, scores, strict=True)
        )
        return Prediction(output.source, (), answers)


@dataclass(frozen=True, slots=True)
class _Question:
    """Which of its K classes a task answers with; a network without tasks asks a single question.

    Attributes:
        columns: of its classes among those of all tasks.
        labels: K.
        kind: how many classes are right.
        topk: largest number of classes of a prediction; at most K.
        thresholds: (K,), the least probability of an answer.
    """

    columns: slice
    labels: Sequence[str]
    kind: AnswerKind
    topk: int
    thresholds: Sequence[float]

    def scores(self, values: NDArray[np.float32]) -> tuple[Score, ...]:
        """The answers about an image, most probable first; `values` are the probabilities of the classes of all tasks."""
        shares = values[self.columns]
        is_answer = reach_thresholds(shares, self.thresholds)
        (ranked,) = top_classes(shares[None], len(shares))
        if self.kind is AnswerKind.SEVERAL:
            ranked = ranked[is_answer[ranked]]
        return tuple(
            Score(int(index), self.labels[index], float(shares[index]))
            if is_answer[index]
            else Score(None, UNKNOWN, float(shares[index]))
            for index in ranked[: self.topk]
        )


def _questions(card: ModelCard, class_labels: Sequence[str], settings: PredictSettings) -> list[_Question]:
    """The questions that a network answers, as the settings want them answered."""
    columns = columns_of(card.tasks) or [slice(0, len(class_labels))]
    thresholds = [task.thresholds for task in card.tasks] or [None]
    return [
        _question(part, class_labels[part], kind, own_thresholds, settings)
        for part, kind, own_thresholds in zip(columns, kinds_of(card.tasks), thresholds, strict=True)
    ]


def _question(
    columns: slice,
    class_labels: Sequence[str],
    kind: AnswerKind,
    thresholds: Sequence[float] | None,
    settings: PredictSettings,
) -> _Question:
    """A question; arguments as its attributes, with the thresholds of the card."""
    count = len(class_labels)
    topk = settings.topk or (TOPK if kind is AnswerKind.ONE else count)
    if settings.threshold is not None or thresholds is None:
        thresholds = (settings.threshold or 0.0,) * count
    return _Question(columns, class_labels, kind, min(topk, count), thresholds)
