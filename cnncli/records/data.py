"""Labelled images, their classes and their splits."""

import enum
import functools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from cnncli.dataclass import frozen_dataclass
from cnncli.records.predictions import ImageSource
from cnncli.records.tasks import Task, columns_of
from cnncli.text import is_url

DataPath = Path | str
"""Where labelled images are: a path, a URL, or a pattern of several; `Path` would turn `s3://bucket` into `s3:/bucket`."""


class Split(enum.StrEnum):
    """What an image of a data set is used for."""

    TRAIN = "train"
    """For training."""

    VAL = "val"
    """For choosing between networks, epochs and settings."""

    TEST = "test"
    """For one evaluation, at the end."""


NO_LABEL = -1
"""The label of an image of a data set with tasks, which has answers instead."""


@frozen_dataclass
class Sample:
    """A labelled image.

    Attributes:
        source: its image source; the path is as found on disk or listed.
        label: index into the data set's class names; `NO_LABEL` where the data set has tasks.
        split: its split; None where the data set has no splits.
        answers: for each task of the data set, indices into the task's class names, in increasing order; None where its labels
            are unknown. Empty where the data set has no tasks.
        group: what it has in common with images that must not be in another split, such as a camera; empty if nothing.
    """

    source: ImageSource
    label: int
    split: Split | None
    answers: tuple[tuple[int, ...] | None, ...] = ()
    group: str = ""

    @property
    def path(self) -> str:
        """The path of the image."""
        return self.source.path


@frozen_dataclass
class DataSet:
    """Labelled images as they were found; no image has been opened yet.

    Attributes:
        name: name of the folder, the list or the archives.
        root: the folder or URL that paths are shown relative to.
        class_names: names of the classes, sorted as by torchvision's ImageFolder; those of all tasks in order.
        samples: ordered by split, class and path.
        remarks: what was left out and why, one line each.
        tasks: the questions that the labels answer; empty where each image has exactly one label.
    """

    name: str
    root: str
    class_names: tuple[str, ...]
    samples: tuple[Sample, ...]
    remarks: tuple[str, ...] = ()
    tasks: tuple[Task, ...] = ()

    @property
    def title(self) -> str:
        """What messages call it: its root, or its name if that is the current folder, as of archives and lists there."""
        return self.name if self.root in {"", "."} else self.root

    def relative(self, path: str) -> str:
        """A path relative to the root; unchanged if it is a URL or on another drive.

        Joined with the root it is the path of the same file, even if the file is elsewhere and the root is a link.
        """
        if is_url(path):
            return path.removeprefix(f"{self.root}/")
        try:
            relative = os.path.relpath(path, self.root)
            is_below = path.startswith(os.path.join(self.root, ""))  # noqa: PTH118 - a string is as good as a Path
            if relative.startswith(os.pardir) and not is_below:
                relative = os.path.relpath(path, _real(self.root, os.getcwd()))  # noqa: PTH109 - as above
        except ValueError:  # different drives on Windows
            return path
        return relative

    def split(self, split: Split) -> tuple[Sample, ...]:
        """The samples of one split."""
        return tuple(sample for sample in self.samples if sample.split is split)

    def count(self, split: Split | None = None) -> list[int]:
        """Number of samples per class, in one split or in all."""
        counts = [0] * len(self.class_names)
        for sample in self.samples:
            if split is None or sample.split is split:
                for index in self.classes_of(sample):
                    counts[index] += 1
        return counts

    def classes_of(self, sample: Sample) -> Iterator[int]:
        """Indices into `class_names` of a sample's classes: exactly one where the data set has no tasks."""
        if not self.tasks:
            yield sample.label
        for columns, answer in zip(columns_of(self.tasks), sample.answers, strict=True):
            yield from (columns.start + index for index in answer or ())


@functools.lru_cache(maxsize=8)
def _real(root: str, _: str) -> str:
    """The real path of a root, given the working folder; cached, as it is needed for each of a million paths."""
    return os.path.realpath(root)


class FindingKind(enum.StrEnum):
    """Kinds of findings about a data set."""

    UNREADABLE = "unreadable"
    LEFT_OUT = "left out"
    MISSING_CLASS = "missing class"
    SIMILAR_NAMES = "similar names"
    FEW_IMAGES = "few images"
    IMBALANCE = "imbalance"
    UNKNOWN_LABELS = "unknown labels"
    SAME_LABELS = "same labels"
    LEAKAGE = "leakage"
    CONFLICTING_LABELS = "conflicting labels"
    DUPLICATES = "duplicates"
    UNUSUAL_SIZES = "unusual sizes"
    UNUSUAL_MODES = "unusual modes"


@frozen_dataclass
class DataFinding:
    """Something to know about a data set.

    Attributes:
        kind: what it is about.
        is_problem: whether it would make training worse, or the measured accuracy misleading.
        message: one line.
        examples: each a group of paths or of class names.
        scores: how well the images of each example match, 1 at best; empty where that is not measured.
    """

    kind: FindingKind
    is_problem: bool
    message: str
    examples: tuple[tuple[str, ...], ...] = ()
    scores: tuple[float, ...] = ()


@frozen_dataclass
class TaskLabels:
    """How many readable images have which labels of a task.

    Attributes:
        images: number of images.
        unknown: number of images whose labels are unknown.
        without: number of images with none of its classes.
        labels: number of labels of all images.
        together: number of images with both classes of a pair, as indices into the task's class names; the most frequent first.
    """

    images: int
    unknown: int
    without: int
    labels: int
    together: Mapping[tuple[int, int], int]

    @property
    def known(self) -> int:
        """The number of images whose labels are known."""
        return self.images - self.unknown


@frozen_dataclass
class DataHealth:
    """The result of examining a data set.

    Attributes:
        data: as it was found on disk.
        images: number of readable images by split (None where the data has no splits).
        readable: number of readable images per class, by split.
        sizes: smallest, median and largest (width, height) in pixels, by area; empty where nothing can be read.
        modes: number of images by mode and format, e.g. "RGB JPEG".
        findings: problems first.
        tasks: the labels of each task of the data.
    """

    data: DataSet
    images: dict[Split | None, int]
    readable: dict[Split | None, tuple[int, ...]]
    sizes: tuple[tuple[int, int], ...]
    modes: dict[str, int]
    findings: tuple[DataFinding, ...]
    tasks: tuple[TaskLabels, ...] = ()

    @property
    def is_healthy(self) -> bool:
        """Whether no problems were found."""
        return not any(finding.is_problem for finding in self.findings)
