"""What the network of a finished run computes for its validation and test images; logits that training computed are reused."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from cnncli.engines.compile import TOLERANCE
from cnncli.evaluation.scoring import ScoredSamples, answers_of
from cnncli.evaluation.tasks.scoring import ScoredTargets
from cnncli.inference import ImageOutput, Session
from cnncli.logits import probabilities
from cnncli.records.data import DataSet, Sample, Split
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import ProgressBar
from cnncli.records.tasks import Task
from cnncli.training.familiarity import choose_held_out_images
from cnncli.training.network import checkpoints

Scored = TypeVar("Scored")
Floats = NDArray[np.float32]

_HELD_OUT = 200
"""Validation images that are run through the written network in any case: it has to agree with the one that was trained, and
`--unfamiliar` needs their scores."""

_AT_ONCE = 1024
"""Number of images whose probabilities are in memory at a time."""


def kept_logits(run: Path, samples: Sequence[Sample], unreadable: Container[str]) -> Floats | None:
    """Logits (N, K) of the validation images in the epoch that a run keeps; None if the images have to be evaluated again.

    Args:
        run: the run's folder.
        samples: all N validation images.
        unreadable: paths of images that could not be read, whose logits are NaN.
    """
    logits = checkpoints.load_kept_logits(run)
    is_readable = np.array([sample.path not in unreadable for sample in samples], np.bool_)
    if logits is None or len(logits) != len(samples) or not np.isfinite(logits[is_readable]).all():
        return None
    logits[~is_readable] = np.nan
    return logits


class Scorer(ABC, Generic[Scored]):
    """Turns logits into what a run needs to know of the images."""

    @abstractmethod
    def score(self, samples: Sequence[Sample], logits: Floats, unreadable: Sequence[Unreadable]) -> Scored:
        """Score images with these logits (N, K); `unreadable` are those without."""


@dataclass(frozen=True, slots=True)
class ClassScorer(Scorer[ScoredSamples]):
    """Scores images with one class each; `relative` turns a sample's path into the one to report."""

    relative: Callable[[str], str]

    def score(
        self, samples: Sequence[Sample], logits: Floats, unreadable: Sequence[Unreadable]
    ) -> ScoredSamples:
        """The answers, whose probabilities are computed for a part of the images at a time."""
        answers = [
            answer
            for start in range(0, len(samples), _AT_ONCE)
            for answer in answers_of(
                samples[start : start + _AT_ONCE],
                probabilities(logits[start : start + _AT_ONCE]),
                self.relative,
            )
        ]
        return ScoredSamples(tuple(answers), tuple(unreadable))


@dataclass(frozen=True, slots=True)
class TaskScorer(Scorer[ScoredTargets]):
    """Scores images with tasks."""

    tasks: Sequence[Task]

    def score(
        self, samples: Sequence[Sample], logits: Floats, unreadable: Sequence[Unreadable]
    ) -> ScoredTargets:
        """The probabilities."""
        return ScoredTargets(tuple(samples), probabilities(logits, self.tasks), tuple(unreadable))


@dataclass(frozen=True, slots=True)
class FinalScores(Generic[Scored]):
    """What a finished network predicts.

    Attributes:
        splits: for the validation and, if there is one, the test split.
        held_out: (V, K + D), logits and embeddings of some validation images.
    """

    splits: dict[Split, Scored]
    held_out: Floats


def score_splits(
    scorer: Scorer[Scored], session: Session, data: DataSet, validated: Floats | None, bar: ProgressBar
) -> FinalScores[Scored]:
    """Run a finished network on the validation and test images.

    Args:
        scorer: how images are scored.
        session: the network.
        data: the images.
        validated: logits (N, K) of the validation images as training saw them, used if the network agrees with them on some; None
            to run all.
        bar: opens a progress bar over the images.

    Raises:
        NotANumberError: the network overflows on some image.
    """
    outputs, held_out = _run_validation(session, data.split(Split.VAL), validated, bar)
    splits = {Split.VAL: outputs.score(scorer, data.split(Split.VAL))}
    if test := data.split(Split.TEST):
        outputs = _Outputs(len(test), len(session.folder.card.class_names))
        with bar(len(test)) as advance:
            outputs.fill(range(len(test)), session.logits(sample.source for sample in test), advance)
        splits[Split.TEST] = outputs.score(scorer, test)
    return FinalScores(splits, held_out)


class _Outputs:
    """What a network computes for N images: values (N, C), NaN where one cannot be read, and the reasons."""

    def __init__(self, images: int, columns: int) -> None:
        self.values: Floats = np.full((images, columns), np.nan, np.float32)
        self.unreadable: dict[int, Unreadable] = {}

    def fill(
        self,
        numbers: Iterable[int],
        outputs: Iterable[ImageOutput | Unreadable],
        advance: Callable[[], None],
    ) -> None:
        """Fill in what a session yields for the images with these numbers."""
        for number, output in zip(numbers, outputs, strict=True):
            if isinstance(output, Unreadable):
                self.unreadable[number] = output
            else:
                self.values[number] = output.values
            advance()

    def readable(self) -> NDArray[np.intp]:
        """Numbers of the images that could be read."""
        return np.flatnonzero(~np.isnan(self.values).any(axis=1))

    def score(self, scorer: Scorer[Scored], samples: Sequence[Sample]) -> Scored:
        """Score the images, whose logits these are."""
        numbers = self.readable()
        unreadable = [why for _, why in sorted(self.unreadable.items())]
        return scorer.score([samples[number] for number in numbers], self.values[numbers], unreadable)


def _run_validation(
    session: Session, samples: Sequence[Sample], validated: Floats | None, bar: ProgressBar
) -> tuple[_Outputs, Floats]:
    """Logits of the validation images; and of some of them, those that can be read, logits and embeddings (V, K + D)."""
    card = session.folder.card
    classes = len(card.class_names)
    some = choose_held_out_images(len(samples), _HELD_OUT)
    held_out, outputs = _Outputs(len(some), classes + card.embedding.size), _Outputs(len(samples), classes)
    with bar(len(some)) as advance:
        sources = (samples[number].source for number in some)
        held_out.fill(range(len(some)), session.logits_and_embeddings(sources), advance)
    known = held_out.values[held_out.readable()]
    if validated is not None and _agree(validated[some], held_out.values[:, :classes]):
        outputs.values = validated
        return outputs, known
    outputs.values[some] = held_out.values[:, :classes]
    outputs.unreadable = {int(some[number]): why for number, why in held_out.unreadable.items()}
    rest = np.setdiff1d(np.arange(len(samples)), some)
    with bar(len(rest)) as advance:
        outputs.fill(rest.tolist(), session.logits(samples[number].source for number in rest), advance)
    return outputs, known


def _agree(expected: Floats, found: Floats) -> bool:
    """Whether a network found the logits (N, K) that were expected; NaN is expected of images that could not be read."""
    known = ~np.isnan(expected).any(axis=1)
    if not known.any():
        return False
    difference = np.abs(found[known] - expected[known]).max()  # NaN if one can no longer be read
    return bool(difference <= TOLERANCE * np.ptp(expected[known]))
