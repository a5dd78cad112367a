"""What the network of a finished run predicts for the validation and test images; logits that training computed are reused."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from cnncli.engines.compile import TOLERANCE
from cnncli.evaluation.scoring import EnsembleMember, ScoredSamples, answers_of, score_samples
from cnncli.evaluation.tasks.scoring import ScoredTargets, score_targets
from cnncli.inference import ImageOutput, InferenceOptions, Session
from cnncli.logits import probabilities
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.data import DataSet, Sample, Split
from cnncli.records.engines import EngineOptions
from cnncli.records.progress import Deduplicated, Progress, ProgressBar
from cnncli.records.tasks import Task
from cnncli.training.network import checkpoints
from cnncli.training.settings import NetworkSettings

Scored = TypeVar("Scored")

_CHECKED = 16
"""Number of images on which the written network is compared with the one that was validated."""

_AT_ONCE = 1024
"""Number of images whose probabilities are in memory at a time."""


@dataclass(frozen=True, slots=True)
class ValidatedImages:
    """The validation images that could be read, in the epoch that a run keeps.

    Attributes:
        samples: N images, at least one.
        logits: (N, K), finite.
    """

    samples: Sequence[Sample]
    logits: NDArray[np.float32]

    @classmethod
    def load(
        cls, run: Path, samples: Sequence[Sample], unreadable: Container[str]
    ) -> "ValidatedImages | None":
        """What a run's checkpoints hold; None if the images have to be evaluated again.

        Args:
            run: the run's folder.
            samples: all validation images.
            unreadable: paths of images that could not be read.
        """
        logits = checkpoints.load_kept_logits(run)
        is_readable = np.array([sample.path not in unreadable for sample in samples], np.bool_)
        if logits is None or len(logits) != len(samples) or not is_readable.any():
            return None
        if not np.isfinite(logits[is_readable]).all():
            return None
        readable = [sample for sample in samples if sample.path not in unreadable]
        return cls(readable, logits[is_readable])

    def agree_with(self, folder: ModelFolder, options: InferenceOptions, progress: Progress) -> bool:
        """Whether the written network has the same logits for a few of the images, evenly spread."""
        chosen = np.unique(np.linspace(0, len(self.samples) - 1, _CHECKED).astype(int))
        sources = (self.samples[number].source for number in chosen)
        outputs = list(Session(folder, options, progress).logits(sources))
        values = [output.values for output in outputs if isinstance(output, ImageOutput)]
        if len(values) < len(chosen):
            return False
        expected = self.logits[chosen]
        spread = expected.max() - expected.min()
        return bool(np.abs(np.stack(values) - expected).max() <= TOLERANCE * spread)


class Scorer(ABC, Generic[Scored]):
    """Turns images into what a run needs to know of them."""

    @abstractmethod
    def score_logits(self, samples: Sequence[Sample], logits: NDArray[np.float32]) -> Scored:
        """Score images whose logits (N, K) are known."""

    @abstractmethod
    def score_images(
        self,
        folder: ModelFolder,
        samples: Sequence[Sample],
        options: InferenceOptions,
        progress: Progress,
        advance: Callable[[], None],
    ) -> Scored:
        """Run images through the network."""


@dataclass(frozen=True, slots=True)
class ClassScorer(Scorer[ScoredSamples]):
    """Scores images with one class each; `relative` turns a sample's path into the one to report."""

    relative: Callable[[str], str]

    def score_logits(self, samples: Sequence[Sample], logits: NDArray[np.float32]) -> ScoredSamples:
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
        return ScoredSamples(tuple(answers), ())

    def score_images(
        self,
        folder: ModelFolder,
        samples: Sequence[Sample],
        options: InferenceOptions,
        progress: Progress,
        advance: Callable[[], None],
    ) -> ScoredSamples:
        """The answers."""
        return score_samples([EnsembleMember(folder)], samples, self.relative, options, progress, advance)


@dataclass(frozen=True, slots=True)
class TaskScorer(Scorer[ScoredTargets]):
    """Scores images with tasks."""

    tasks: Sequence[Task]

    def score_logits(self, samples: Sequence[Sample], logits: NDArray[np.float32]) -> ScoredTargets:
        """The probabilities."""
        return ScoredTargets(tuple(samples), probabilities(logits, self.tasks))

    def score_images(
        self,
        folder: ModelFolder,
        samples: Sequence[Sample],
        options: InferenceOptions,
        progress: Progress,
        advance: Callable[[], None],
    ) -> ScoredTargets:
        """The probabilities."""
        return score_targets([folder], samples, options, progress, advance)


def score_splits(
    scorer: Scorer[Scored],
    folder: ModelFolder,
    data: DataSet,
    validated: ValidatedImages | None,
    settings: NetworkSettings,
    progress: Progress,
    bar: ProgressBar,
) -> dict[Split, Scored]:
    """What a finished network predicts for the validation and, if there is one, the test split.

    Args:
        scorer: how images are scored.
        folder: the network.
        data: the images.
        validated: the validation images as training saw them, used if the network agrees with them; None to evaluate all.
        settings: the run's settings.
        progress: reports if torch runs the network because it could not be compiled.
        bar: opens a progress bar over the images.
    """
    options = InferenceOptions(
        max_pixels=settings.max_pixels, engine=EngineOptions(device="cpu"), workers=settings.workers
    )
    progress = Deduplicated(progress)
    scores: dict[Split, Scored] = {}
    if validated and validated.agree_with(folder, options, progress):
        scores[Split.VAL] = scorer.score_logits(validated.samples, validated.logits)
    remaining = {split: data.split(split) for split in (Split.VAL, Split.TEST) if split not in scores}
    with bar(sum(map(len, remaining.values()))) as advance:
        for split, samples in remaining.items():
            if samples:
                scores[split] = scorer.score_images(folder, samples, options, progress, advance)
    return scores
