"""Labelled images: which there are, what they show, and what they are for."""

import enum
from dataclasses import dataclass


class Part(enum.StrEnum):
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
        path: of the file, as it was found or listed below the root.
        label: index into the data set's class names.
        part: what it is for; None where the data set does not say.
    """

    path: str
    label: int
    part: Part | None


@dataclass(frozen=True, slots=True)
class DataSet:
    """A labelled folder or list, as it was found on disk; no image has been opened yet.

    Attributes:
        name: of the folder or the list.
        root: what paths are told relative to.
        class_names: in the order of their indices: sorted, as torchvision's ImageFolder sorts them.
        samples: in the order of their parts, classes and paths.
        remarks: what was left out, and why: one line each.
    """

    name: str
    root: str
    class_names: tuple[str, ...]
    samples: tuple[Sample, ...]
    remarks: tuple[str, ...] = ()

    def part(self, part: Part) -> tuple[Sample, ...]:
        """The samples of one part."""
        return tuple(sample for sample in self.samples if sample.part is part)

    def count(self, part: Part | None = None) -> list[int]:
        """Samples of each class, of one part or of all."""
        counts = [0] * len(self.class_names)
        for sample in self.samples:
            if part is None or sample.part is part:
                counts[sample.label] += 1
        return counts
