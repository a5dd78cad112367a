"""What the network of a finished run predicts for the validation and test images; logits that training computed are reused."""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnncli.engines.compile import TOLERANCE
from cnncli.evaluation.scoring import EnsembleMember, ScoredSamples, answers_of, score_samples
from cnncli.inference import ImageOutput, InferenceOptions, Session
from cnncli.logits import probabilities
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.data import DataSet, Sample, Split
from cnncli.records.engines import EngineOptions
from cnncli.records.progress import Deduplicated, Progress, ProgressBar
from cnncli.records.tasks import Task
from cnncli.training.network import checkpoints
from cnncli.training.settings import NetworkSettings

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

    def score(self, tasks: Sequence[Task], relative: Callable[[str], str]) -> ScoredSamples:
        """The answers of a network with these tasks; `relative` turns a sample's path into the one to report."""
        answers = [
            answer
            for start in range(0, len(self.samples), _AT_ONCE)
            for answer in answers_of(
                self.samples[start : start + _AT_ONCE],
                probabilities(self.logits[start : start + _AT_ONCE], tasks),
                relative,
            )
        ]
        return ScoredSamples(tuple(answers), ())


def score_splits(
    folder: ModelFolder,
    data: DataSet,
    validated: ValidatedImages | None,
    settings: NetworkSettings,
    progress: Progress,
    bar: ProgressBar,
) -> dict[Split, ScoredSamples]:
    """The answers of a finished network for the validation and the test split.

    Args:
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
    scores = dict.fromkeys((Split.VAL, Split.TEST), ScoredSamples((), ()))
    if validated and validated.agree_with(folder, options, progress):
        scores[Split.VAL] = validated.score(folder.card.tasks, data.relative)
    remaining = {split: data.split(split) for split, score in scores.items() if not score.answers}
    with bar(sum(map(len, remaining.values()))) as advance:
        for split, samples in remaining.items():
            if samples:
                scores[split] = score_samples(
                    [EnsembleMember(folder)], samples, data.relative, options, progress, advance
                )
    return scores
