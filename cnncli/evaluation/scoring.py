"""Labelled images to answers: what a network, or an ensemble, predicts for each; computed exactly as by `predict`."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cnncli.dataclass import frozen_dataclass
from cnncli.inference import ImageOutput, Session
from cnncli.logits import top_classes
from cnncli.networks.class_groups import merge_classes
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.data import Sample
from cnncli.records.engines import InferenceOptions
from cnncli.records.evaluation import Answer
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import Progress

_TOP = 5
"""Number of classes in an answer, enough for top-5 accuracy."""


@frozen_dataclass
class EnsembleMember:
    """A network whose probabilities are averaged with those of others, or the only one.

    Attributes:
        folder: the network.
        groups: (K,), index of the evaluation's class that each class of the network counts as; negative leaves it out. None if
            the network's classes are those of the evaluation, in the same order.
    """

    folder: ModelFolder
    groups: NDArray[np.intp] | None = None

    def merge_classes(self, shares: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities (N, G) of the evaluation's classes from those of the network's, (N, K)."""
        return shares if self.groups is None else merge_classes(shares, self.groups)


@frozen_dataclass
class ScoredSamples:
    """The results of running labelled images.

    Attributes:
        answers: one for each image that could be read, in the order of the samples.
        unreadable: the other images.
    """

    answers: tuple[Answer, ...]
    unreadable: tuple[Unreadable, ...]


def score_samples(
    members: Sequence[EnsembleMember],
    samples: Sequence[Sample],
    relative: Callable[[str], str],
    options: InferenceOptions,
    progress: Progress,
    advance: Callable[[], None],
) -> ScoredSamples:
    """Run images through a network, or through several whose probabilities are averaged.

    Args:
        members: the networks.
        samples: the images, labelled with indices of the evaluation's classes.
        relative: turns a sample's path into the one to report.
        options: how the networks run.
        progress: reports if torch runs a network because it could not be compiled.
        advance: called once per image.

    Raises:
        CnncliError: a network cannot run with these options, or overflows.
    """
    answers: list[Answer] = []
    unreadable: list[Unreadable] = []
    for sample, shares in mean_shares(members, samples, options, progress, advance):
        if isinstance(shares, Unreadable):
            unreadable.append(shares)
        else:
            answers += answers_of([sample], shares, relative)
    return ScoredSamples(tuple(answers), tuple(unreadable))


def mean_shares(
    members: Sequence[EnsembleMember],
    samples: Sequence[Sample],
    options: InferenceOptions,
    progress: Progress,
    advance: Callable[[], None],
) -> Iterator[tuple[Sample, NDArray[np.float32] | Unreadable]]:
    """Each image with its probabilities (1, G), the mean over the networks; or why one of them cannot read it."""
    sessions = [Session(member.folder, options, progress) for member in members]
    with contextlib.ExitStack() as stack:
        streams = [
            stack.enter_context(
                contextlib.closing(session.probabilities(sample.source for sample in samples))
            )
            for session in sessions
        ]
        for sample, *outputs in zip(samples, *streams, strict=True):
            yield sample, _mean(members, outputs)
            advance()


def _mean(
    members: Sequence[EnsembleMember], outputs: Sequence[ImageOutput | Unreadable]
) -> NDArray[np.float32] | Unreadable:
    """The mean (1, G) of what the networks computed for an image."""
    shares = []
    for member, output in zip(members, outputs, strict=True):
        if isinstance(output, Unreadable):  # by one network alone: its input size may be too large
            return output
        shares.append(member.merge_classes(output.values[None]))
    mean: NDArray[np.float32] = np.mean(shares, axis=0, dtype=np.float32)
    return mean


def answers_of(
    samples: Sequence[Sample], shares: NDArray[np.float32], relative: Callable[[str], str]
) -> Iterator[Answer]:
    """Answers for N samples from probabilities (N, K).

    Args:
        samples: the images.
        shares: their probabilities.
        relative: turns a sample's path into the one to report.
    """
    ranked = top_classes(shares, _TOP)
    best = np.take_along_axis(shares, ranked, axis=1)
    for sample, indices, values, row in zip(samples, ranked.tolist(), best.tolist(), shares, strict=True):
        yield Answer(
            relative(sample.path),
            sample.split,
            sample.label,
            tuple(indices),
            tuple(values),
            float(row[sample.label]),
        )
