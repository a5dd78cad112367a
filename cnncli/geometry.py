"""What a layer does to sizes, and what it costs: the formulas of every course, as pure functions.

All lengths in pixels along one axis, unless a function says otherwise. K is the kernel, S the stride, P the padding
on each side, d the dilation, W the input.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cnncli.errors import GeometryError


def reach(kernel: int, dilation: int = 1) -> int:
    """Pixels from a kernel's first to its last one: d(K - 1) + 1."""
    return dilation * (kernel - 1) + 1


def output_size(
    size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1, *, ceil: bool = False
) -> int:
    """Length of a convolution's or a pooling's output: floor((W - (d(K-1)+1) + 2P) / S) + 1.

    Args:
        size: W.
        kernel: K.
        stride: S.
        padding: P, on each side.
        dilation: d.
        ceil: round up instead; a last window that would begin beyond the image and its left padding is left out, as
            torch does.

    Raises:
        GeometryError: the kernel does not fit into the padded input.
    """
    room = size + 2 * padding - reach(kernel, dilation)
    count = (math.ceil(room / stride) if ceil else room // stride) + 1
    if ceil and (count - 1) * stride >= size + padding:
        count -= 1
    if size < 1 or count < 1:
        raise GeometryError(
            f"a kernel that reaches over {reach(kernel, dilation)} pixels does not fit into {size} padded by {padding}"
        )
    return count


def same_padding(kernel: int, dilation: int = 1) -> int:
    """Padding on each side that keeps the size at stride 1: floor of half of what the kernel reaches beyond."""
    return (reach(kernel, dilation) - 1) // 2


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """What one value of a feature map sees of the image.

    Attributes:
        size: pixels that it sees.
        jump: pixels between what two neighbours see.
        start: the pixel at which the first value begins to see; below zero where that is padding.
    """

    size: float = 1
    jump: float = 1
    start: float = 0

    def through(
        self, kernel: int, stride: float = 1, dilation: int = 1, padding: int = 0
    ) -> "ReceptiveField":
        """After one more layer: r + (reach - 1) j, j S, and s - P j."""
        further = (reach(kernel, dilation) - 1) * self.jump
        return ReceptiveField(self.size + further, self.jump * stride, self.start - padding * self.jump)

    def spread(self, kernel: int, stride: int = 1, dilation: int = 1, padding: int = 0) -> "ReceptiveField":
        """After a transposed convolution: r + floor((reach - 1) / S) j, j / S, and s + ceil((P - reach + 1) / S) j.

        Neighbouring inputs write S outputs apart, so within the kernel's reach lie no more of them.
        """
        further = (reach(kernel, dilation) - 1) // stride
        first = math.ceil((padding - reach(kernel, dilation) + 1) / stride)
        return ReceptiveField(
            self.size + further * self.jump, self.jump / stride, self.start + first * self.jump
        )

    def of(self, place: int) -> tuple[float, float]:
        """What the value at a place sees: its first pixel, and the one after its last."""
        first = self.start + place * self.jump
        return first, first + self.size


def joined(fields: Sequence[ReceptiveField]) -> ReceptiveField:
    """Of a sum or a concatenation: all that its parts see."""
    start = min(field.start for field in fields)
    end = max(field.start + field.size for field in fields)
    return ReceptiveField(end - start, max(field.jump for field in fields), start)
