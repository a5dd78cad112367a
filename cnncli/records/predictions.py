"""What goes into predicting and what comes out: one record for each input, in input order."""

import enum
from dataclasses import dataclass, field

OK, UNREADABLE = "ok", "unreadable"
"""The status of an input, as every format has it."""


@dataclass(frozen=True, slots=True)
class ImageSource:
    """Where one image's bytes are.

    Attributes:
        path: as it was given or found, character for character: what comes out can be joined with what
            went in, which `pathlib` would spoil (`./a` is not `a`). Bytes that are no UTF-8 are lone
            surrogates, as `os.fsdecode` writes them. `-` is standard input.
        data: the bytes themselves, where there is no file to open.
    """

    path: str
    data: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Score:
    """A class with its probability; index None and label `unknown` where it was below the threshold."""

    index: int | None
    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The most probable classes of one image, best first."""

    source: ImageSource
    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An input without pixels, and why, in words that a person understands."""

    source: ImageSource
    reason: str


Record = Prediction | Unreadable

UNKNOWN = "unknown"
"""The label of a class whose probability is below the threshold."""


class LabelStyle(enum.StrEnum):
    """What a class is called in the output."""

    NAME = "name"
    SYNSET = "synset"
    INDEX = "index"
