"""Images with several tasks to probabilities, computed exactly as by `predict`; and which classes are predicted."""

import dataclasses
from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from cnncli.dataclass import frozen_dataclass
from cnncli.evaluation.scoring import EnsembleMember, mean_shares
from cnncli.evaluation.tasks.thresholds import thresholds_of
from cnncli.logits import predicted_classes, reach_thresholds
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.data import Sample
from cnncli.records.engines import InferenceOptions
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import Progress
from cnncli.records.tasks import AnswerKind, Task, columns_of


@frozen_dataclass
class ScoredTargets:
    """Labelled images and the probabilities that were computed for them.

    Attributes:
        samples: the N images that could be read, in order.
        shares: their probabilities (N, K), those of all tasks side by side.
        unreadable: the other images, with paths as in the data set.
    """

    samples: tuple[Sample, ...]
    shares: NDArray[np.float32]
    unreadable: tuple[Unreadable, ...] = ()

    def of_task(self, tasks: Sequence[Task], number: int) -> "ScoredTargets":
        """The images whose labels of a task are known, with its answers and probabilities only."""
        known = [place for place, sample in enumerate(self.samples) if sample.answers[number] is not None]
        samples = (self.samples[place] for place in known)
        return ScoredTargets(
            tuple(dataclasses.replace(sample, answers=(sample.answers[number],)) for sample in samples),
            self.shares[known, columns_of(tasks)[number]],
        )

    def without(self, paths: Collection[str]) -> "ScoredTargets":
        """The same but for the images with these paths, which are left out."""
        kept = [place for place, sample in enumerate(self.samples) if sample.path not in paths]
        return ScoredTargets(tuple(self.samples[place] for place in kept), self.shares[kept], self.unreadable)


def score_targets(
    members: Sequence[ModelFolder],
    samples: Sequence[Sample],
    options: InferenceOptions,
    progress: Progress,
    advance: Callable[[], None],
) -> ScoredTargets:
    """Run images through a network with tasks, or through several whose probabilities are averaged.

    Args:
        members: the networks; all have the same tasks, with the same classes in the same order.
        samples: the images.
        options: how the networks run.
        progress: reports if torch runs a network because it could not be compiled.
        advance: called once per image.

    Raises:
        CnncliError: a network cannot run with these options, or overflows.
    """
    readable: list[Sample] = []
    unreadable: list[Unreadable] = []
    rows = [np.zeros((0, len(members[0].card.class_names)), np.float32)]
    for sample, shares in mean_shares(
        list(map(EnsembleMember, members)), samples, options, progress, advance
    ):
        if isinstance(shares, Unreadable):
            unreadable.append(shares)
        else:
            readable.append(sample)
            rows.append(shares)
    return ScoredTargets(tuple(readable), np.concatenate(rows), tuple(unreadable))


def predicted_answers(shares: NDArray[np.float32], tasks: Sequence[Task]) -> NDArray[np.bool_]:
    """(N, K): which classes are predicted, from probabilities (N, K): the most probable one of a task, or all above thresholds."""
    predicted = np.zeros(shares.shape, np.bool_)
    for task, columns in zip(tasks, columns_of(tasks), strict=True):
        if task.kind is AnswerKind.SEVERAL:
            predicted[:, columns] = reach_thresholds(shares[:, columns], thresholds_of(task))
        else:
            predicted[:, columns][np.arange(len(shares)), predicted_classes(shares[:, columns])] = True
    return predicted
