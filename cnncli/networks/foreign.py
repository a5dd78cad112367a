"""What the user says of an ONNX file that other programs wrote: how images are prepared for it, and what its scores are."""

import enum

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import UsageError
from cnncli.networks.normalization import Normalization
from cnncli.records.networks import Resize


class ScoreKind(enum.StrEnum):
    """What a network's output holds for each class."""

    LOGITS = "logits"
    PROBABILITIES = "probabilities"


_MODES = {"squash": Resize.SQUASH, "fit": Resize.FIT}


@frozen_dataclass
class ResizeTo:
    """How images are resized before the crop: `shortest`, `squash` or `fit`, or the length of the shorter side in pixels.

    Attributes:
        text: as the user wrote it.
    """

    text: str

    def __post_init__(self) -> None:
        if (
            self.text != "shortest"
            and self.text not in _MODES
            and not (self.text.isdecimal() and 0 < int(self.text) <= _LARGEST)
        ):
            raise UsageError(
                f"--resize {self.text!r} is unknown",
                "use shortest (the shorter side to --img-size), squash, fit, or the length of the shorter side: 256",
            )

    def resolve(self, size: tuple[int, int]) -> tuple[Resize, tuple[int, int]]:
        """The mode and the size (height, width) of the resize for an input size.

        Raises:
            UsageError: the shorter side would be shorter than the input.
        """
        if mode := _MODES.get(self.text):
            return mode, size
        if self.text == "shortest":
            return (Resize.SHORTER if size[0] == size[1] else Resize.COVER), size
        side = int(self.text)
        if side < max(size):
            raise UsageError(f"--resize {side} is smaller than the input of {size[0]} x {size[1]} pixels")
        return Resize.SHORTER, (side, side)


_LARGEST = 8192


@frozen_dataclass
class ForeignOptions:
    """Options of an ONNX file.

    Attributes:
        normalization: of the pixels; None where the file says it.
        resize: how images are resized; None likewise.
        scores: what its outputs are; None likewise.
    """

    normalization: Normalization | None = None
    resize: ResizeTo | None = None
    scores: ScoreKind | None = None

    def explicit(self) -> list[str]:
        """The names of the options that are set."""
        options = {"--normalize": self.normalization, "--resize": self.resize, "--scores": self.scores}
        return [option for option, value in options.items() if value is not None]


NOTHING_SAID = ForeignOptions()
"""No options."""
