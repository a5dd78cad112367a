"""Inputs and results of predicting: one record for each input, in input order."""

import abc
import enum
from collections.abc import Sequence
from typing import BinaryIO

from cnncli.dataclass import frozen_dataclass
from cnncli.records.tasks import AnswerKind, Task

OK, UNREADABLE = "ok", "unreadable"
"""The status of an input, as written in every format."""


@frozen_dataclass
class Stamp:
    """What the file system knows of a file; if it differs, the image has changed.

    Attributes:
        size: in bytes.
        modified: modification time in nanoseconds, which copying programs and archives set to that of the original.
        changed: time of the last change of content or attributes in nanoseconds, which no program can set; 0 if unknown.
    """

    size: int
    modified: int
    changed: int = 0


@frozen_dataclass
class ImageSource(abc.ABC):
    """Where the bytes of an image are. Each kind of source is a class in `images/`.

    Attributes:
        path: as the user typed it or as it was listed, character for character, so that outputs can be joined with inputs;
            `pathlib` would normalise it (`./a` is not `a`). Bytes that are not UTF-8 are lone surrogates, as
            `os.fsdecode` writes them. `-` is standard input.
    """

    path: str

    @property
    def is_remote(self) -> bool:
        """Whether opening it waits for a server."""
        return False

    @abc.abstractmethod
    def open(self) -> BinaryIO:
        """The image's bytes as a seekable stream.

        Raises:
            OSError: it cannot be opened.
            UnreadableError: its kind or size already says that it holds no image.
        """

    @abc.abstractmethod
    def stamp(self) -> Stamp | None:
        """Size and times; None where they cannot be determined."""

    def without_content(self) -> "ImageSource":
        """The same source without bytes that it holds only so that they need not be read again; what records keep."""
        return self


class UnreadableError(Exception):
    """An image cannot be read; the message is shown to the user. `images.decode` turns it into `Unreadable`."""


@frozen_dataclass
class Exif:
    """What an image file says of when, with what and where the photograph was taken; None where it does not.

    Attributes:
        taken: local time as in ISO 8601, with its offset from UTC if that is known.
        camera: maker and model.
        latitude, longitude: in degrees; north and east are positive.
    """

    taken: str | None = None
    camera: str | None = None
    latitude: float | None = None
    longitude: float | None = None


@frozen_dataclass
class Score:
    """A class with its probability; index None and label `unknown` where it was below the threshold, or the image is unfamiliar."""

    index: int | None
    label: str
    probability: float


@frozen_dataclass
class TaskScores:
    """What a network with several tasks says about one of them; `scores` and `kind` as in a `Prediction`."""

    name: str
    scores: tuple[Score, ...]
    kind: AnswerKind = AnswerKind.ONE


@frozen_dataclass
class Prediction:
    """What a network says about one image.

    Attributes:
        source: the image.
        scores: the most probable classes, best first; where several can be right (multi-label), those that reach their
            thresholds, possibly none. Empty where the network has several tasks.
        tasks: the scores of each of several tasks.
        kind: how many classes can be right.
        exif: if it was asked for.
        reason: why no class is an answer, where the image is unlike those that the network knows.
    """

    source: ImageSource
    scores: tuple[Score, ...]
    tasks: tuple[TaskScores, ...] = ()
    kind: AnswerKind = AnswerKind.ONE
    exif: Exif | None = None
    reason: str | None = None

    @property
    def scores_by_task(self) -> tuple[tuple[Score, ...], ...]:
        """The scores of each task; a single one where there are not several."""
        return tuple(task.scores for task in self.tasks) or (self.scores,)

    @property
    def path(self) -> str:
        """The path of the image."""
        return self.source.path

    @property
    def label(self) -> str | None:
        """The most probable class; None where several labels can be right, or there are several tasks."""
        return self._only.label if self._only else None

    @property
    def probability(self) -> float | None:
        """That of `label`."""
        return self._only.probability if self._only else None

    @property
    def labels(self) -> tuple[str, ...]:
        """The answer: one label, or those that reach their thresholds where several can be right; of all tasks, if there are any."""
        return tuple(
            score.label
            for answer in self.tasks or (self,)
            for score in (answer.scores[:1] if answer.kind is AnswerKind.ONE else answer.scores)
        )

    @property
    def _only(self) -> Score | None:
        return self.scores[0] if self.scores and self.kind is AnswerKind.ONE else None


@frozen_dataclass
class Unreadable:
    """An input without pixels.

    Attributes:
        path: path of the image, or the input as it was typed if it leads to no image.
        reason: why there are no pixels, as text for people.
    """

    path: str
    reason: str


Record = Prediction | Unreadable


@frozen_dataclass
class TrueClasses:
    """The true classes of an image.

    Attributes:
        indices: of those of each task, as in its scores; a single set where there are not several tasks.
        name: what people read; empty where the network has none of them.
        unknown: labels that are no classes of the network.
    """

    indices: tuple[frozenset[int], ...]
    name: str
    unknown: tuple[str, ...] = ()


@frozen_dataclass
class RecordLayout:
    """What the predictions of a network have in common, for the formats that they are written in.

    Attributes:
        labels: of all classes, in the order of the logits.
        tasks: of the network.
        rows_per_image: csv rows of a readable image; None where their number varies.
        has_exif: whether they say when, with what and where photographs were taken.
    """

    labels: Sequence[str]
    tasks: tuple[Task, ...]
    rows_per_image: int | None
    has_exif: bool = False


UNKNOWN = "unknown"
"""The label of a class whose probability is below the threshold, or of an image that is unlike those of all classes."""

NO_CLASS = "none"
"""What people read where several classes can be right and none reaches its threshold."""


class LabelStyle(enum.StrEnum):
    """How classes are labelled in the output."""

    NAME = "name"
    SYNSET = "synset"
    INDEX = "index"
