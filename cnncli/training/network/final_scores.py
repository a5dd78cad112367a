"""What the network of a finished run computes for its validation and test images; what training computed is reused."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from cnncli.dataclass import frozen_dataclass
from cnncli.engines.compile import TOLERANCE
from cnncli.evaluation.scoring import ScoredSamples, answers_of
from cnncli.evaluation.tasks.scoring import ScoredTargets
from cnncli.inference import Session
from cnncli.logits import probabilities
from cnncli.records.data import DataSet, Sample, Split
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import ProgressBar
from cnncli.records.tasks import Task
from cnncli.training.network.validation_outputs import Floats, ValidationOutputs, held_out_images

if TYPE_CHECKING:
    from cnncli.records.evaluation import Answer

Scored = TypeVar("Scored")
Output = Floats | Unreadable
"""What a network computes for an image: (K,) or (K + D,); or why it cannot be read."""

_COMPARED = 16
"""Number of validation images that are run through the written network in any case: it has to agree with the one that was trained."""

_AT_ONCE = 1024
"""Number of images whose logits and probabilities are in memory at a time."""


@frozen_dataclass
class _Block:
    """Images that are scored at once: those that could be read, their logits (N, K), and the others."""

    samples: list[Sample]
    logits: Floats
    unreadable: list[Unreadable]


def _blocks(samples: Sequence[Sample], outputs: Iterable[Output]) -> Iterator[_Block]:
    """Images and their outputs, a part of them at a time; those without any that can be read have no logits."""
    pairs = zip(samples, outputs, strict=True)
    while part := list(itertools.islice(pairs, _AT_ONCE)):
        readable = [(sample, output) for sample, output in part if not isinstance(output, Unreadable)]
        yield _Block(
            [sample for sample, _ in readable],
            np.array([logits for _, logits in readable], np.float32),
            [output for _, output in part if isinstance(output, Unreadable)],
        )


class Scorer(ABC, Generic[Scored]):
    """Turns logits into what a run needs to know of the images."""

    @abstractmethod
    def score(self, samples: Sequence[Sample], outputs: Iterable[Output]) -> Scored:
        """Score images with these logits (K,)."""


@frozen_dataclass
class ClassScorer(Scorer[ScoredSamples]):
    """Scores images with one class each; `relative` turns a sample's path into the one to report."""

    relative: Callable[[str], str]

    def score(self, samples: Sequence[Sample], outputs: Iterable[Output]) -> ScoredSamples:
        """The answers."""
        answers: list[Answer] = []
        unreadable: list[Unreadable] = []
        for block in _blocks(samples, outputs):
            if block.samples:
                answers += answers_of(block.samples, probabilities(block.logits), self.relative)
            unreadable += block.unreadable
        return ScoredSamples(tuple(answers), tuple(unreadable))


@frozen_dataclass
class TaskScorer(Scorer[ScoredTargets]):
    """Scores images with tasks."""

    tasks: Sequence[Task]

    def score(self, samples: Sequence[Sample], outputs: Iterable[Output]) -> ScoredTargets:
        """The probabilities."""
        readable: list[Sample] = []
        unreadable: list[Unreadable] = []
        shares = [np.zeros((0, sum(len(task.class_names) for task in self.tasks)), np.float32)]
        for block in _blocks(samples, outputs):
            if block.samples:
                shares.append(probabilities(block.logits, self.tasks))
            readable += block.samples
            unreadable += block.unreadable
        return ScoredTargets(tuple(readable), np.concatenate(shares), tuple(unreadable))


@frozen_dataclass
class FinalScores(Generic[Scored]):
    """What a finished network predicts.

    Attributes:
        splits: for the validation and, if there is one, the test split.
        held_out: (V, K + D), logits and embeddings of some validation images.
    """

    splits: dict[Split, Scored]
    held_out: Floats


def score_splits(
    scorer: Scorer[Scored],
    session: Session,
    data: DataSet,
    validated: ValidationOutputs | None,
    bar: ProgressBar,
) -> FinalScores[Scored]:
    """Run a finished network on the validation and test images.

    Args:
        scorer: how images are scored.
        session: the network.
        data: the images.
        validated: outputs for the validation images in training, used if the network agrees with them on some; None to run all.
        bar: opens a progress bar over the images.

    Raises:
        NotANumberError: the network overflows on some image.
    """
    val, test = data.split(Split.VAL), data.split(Split.TEST)
    card = session.folder.card
    held_out = held_out_images(len(val)).tolist()
    if validated and _agree(validated, _run_some(session, val, held_out[:_COMPARED], bar)):
        readable = np.flatnonzero(~np.isnan(validated.logits[:, 0]))
        splits = {Split.VAL: scorer.score([val[index] for index in readable], validated.logits[readable])}
        rows = validated.rows()
    else:
        classes = len(card.class_names)
        outputs = _run_some(session, val, held_out, bar)
        logits = {
            index: output if isinstance(output, Unreadable) else output[:classes]
            for index, output in outputs.items()
        }
        splits = {Split.VAL: scorer.score(val, _run(session, val, logits, bar))}
        readable_rows = [output for output in outputs.values() if not isinstance(output, Unreadable)]
        rows = np.array(readable_rows, np.float32).reshape(-1, classes + card.embedding.size)
    if test:
        splits[Split.TEST] = scorer.score(test, _run(session, test, {}, bar))
    return FinalScores(splits, rows)


def _run_some(
    session: Session, samples: Sequence[Sample], indices: Sequence[int], bar: ProgressBar
) -> dict[int, Output]:
    """Logits and embeddings (K + D,) of the images with these indices, by index."""
    outputs: dict[int, Output] = {}
    with bar(len(indices)) as advance:
        sources = (samples[index].source for index in indices)
        for index, output in zip(indices, session.logits_and_embeddings(sources), strict=True):
            outputs[index] = output if isinstance(output, Unreadable) else output.values
            advance()
    return outputs


def _run(
    session: Session, samples: Sequence[Sample], computed: Mapping[int, Output], bar: ProgressBar
) -> Iterator[Output]:
    """Logits (K,) of images, in order; `computed` has those of some, by their index."""
    remaining = [sample for index, sample in enumerate(samples) if index not in computed]
    outputs = session.logits(sample.source for sample in remaining)
    with bar(len(remaining)) as advance:
        for index in range(len(samples)):
            if index in computed:
                yield computed[index]
                continue
            output = next(outputs)
            yield output if isinstance(output, Unreadable) else output.values
            advance()


def _agree(expected: ValidationOutputs, outputs: Mapping[int, Output]) -> bool:
    """Whether a network computes what is expected, to within `TOLERANCE` of the range of the logits and of the embeddings."""
    known = np.flatnonzero(np.isin(expected.numbers, list(outputs)))
    computed = [outputs[number] for number in expected.numbers[known].tolist()]
    rows = [output for output in computed if not isinstance(output, Unreadable)]
    if not rows or len(rows) < len(computed):
        return False
    expected_rows, classes = expected.rows(), expected.logits.shape[1]
    if rows[0].shape != expected_rows[0].shape:
        return False
    for part in np.s_[:classes], np.s_[classes:]:
        difference = np.abs(np.stack(rows)[:, part] - expected_rows[known, part]).max()
        if not difference <= TOLERANCE * np.ptp(expected_rows[:, part]):
            return False
    return True
