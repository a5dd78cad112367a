"""Labelled images: which there are, what they show, and what they are for."""

import enum
import functools
import os
from dataclasses import dataclass

from cnncli.records.predictions import ImageSource


class Split(enum.StrEnum):
    """What an image of a data set is for."""

    TRAIN = "train"
    """To learn from."""

    VAL = "val"
    """To choose by, and to say how good the choice is."""

    TEST = "test"
    """To be asked once, at the end."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An image and its class.

    Attributes:
        source: where its bytes are; its path is that of the file below the root, as found or listed.
        label: index into the data set's class names.
        split: what it is for; None where the data set does not say.
    """

    source: ImageSource
    label: int
    split: Split | None

    @property
    def path(self) -> str:
        """The path of the image."""
        return self.source.path


@dataclass(frozen=True, slots=True)
class DataSet:
    """A labelled folder or list, as it was found on disk; no image has been opened yet.

    Attributes:
        name: of the folder or the list.
        root: what paths are told relative to.
        class_names: in the order of their indices: sorted, as torchvision's ImageFolder sorts them.
        samples: in the order of their splits, classes and paths.
        remarks: what was left out, and why: one line each.
    """

    name: str
    root: str
    class_names: tuple[str, ...]
    samples: tuple[Sample, ...]
    remarks: tuple[str, ...] = ()

    def relative(self, path: str) -> str:
        """A path as it is told: relative to the root, where the two are on one drive.

        Joined with the root it leads to the same file, also where that lies elsewhere and the root behind a link.
        """
        try:
            told = os.path.relpath(path, self.root)
            is_below = path.startswith(os.path.join(self.root, ""))  # noqa: PTH118 - a string as good as any
            if told.startswith(os.pardir) and not is_below:
                told = os.path.relpath(path, _real(self.root, os.getcwd()))  # noqa: PTH109 - as above
        except ValueError:  # of Windows
            return path
        return told

    def split(self, split: Split) -> tuple[Sample, ...]:
        """The samples of one split."""
        return tuple(sample for sample in self.samples if sample.split is split)

    def count(self, split: Split | None = None) -> list[int]:
        """Samples of each class, of one split or of all."""
        counts = [0] * len(self.class_names)
        for sample in self.samples:
            if split is None or sample.split is split:
                counts[sample.label] += 1
        return counts


@functools.lru_cache(maxsize=8)
def _real(root: str, _: str) -> str:
    """Where a root lies that is told from a working folder; asked once and not for each of a million paths."""
    return os.path.realpath(root)


class Trouble(enum.StrEnum):
    """What can be wrong with a data set."""

    UNREADABLE = "unreadable"
    LEFT_OUT = "left out"
    MISSING_CLASS = "missing class"
    FEW_IMAGES = "few images"
    IMBALANCE = "imbalance"
    LEAKAGE = "leakage"
    CONTRADICTION = "contradiction"
    DUPLICATES = "duplicates"
    ODD_SIZES = "odd sizes"
    ODD_MODES = "odd modes"


@dataclass(frozen=True, slots=True)
class DataFinding:
    """Something about a data set that its owner should know.

    Attributes:
        trouble: what kind of thing.
        harms: whether it would hurt training, or what one learns of its success.
        told: in words.
        examples: each a list of what belongs together: paths, or classes.
    """

    trouble: Trouble
    harms: bool
    told: str
    examples: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class DataHealth:
    """What an examination of a data set found.

    Attributes:
        data: as it was found on disk.
        readable: images of each class that can be read, by split (None where the data does not say).
        sizes: smallest, median and largest (width, height) in pixels, by area; empty where nothing can be read.
        modes: how many images have which mode and format.
        findings: what is wrong, the harmful first.
    """

    data: DataSet
    readable: dict[Split | None, tuple[int, ...]]
    sizes: tuple[tuple[int, int], ...]
    modes: dict[str, int]
    findings: tuple[DataFinding, ...]

    @property
    def is_healthy(self) -> bool:
        """Whether nothing of it would hurt training."""
        return not any(finding.harms for finding in self.findings)
