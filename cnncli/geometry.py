"""Output sizes, padding and receptive fields of convolutions and poolings, as pure functions.

All lengths are pixels along one axis, unless a function says otherwise. K is the kernel size, S the stride, P the padding
on each side, d the dilation, W the input size.
"""

import math
from collections.abc import Sequence

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import GeometryError


def effective_kernel_size(kernel: int, dilation: int = 1) -> int:
    """Pixels that a dilated kernel spans: d(K - 1) + 1."""
    return dilation * (kernel - 1) + 1


def output_size(
    size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1, *, ceil: bool = False
) -> int:
    """Output size of a convolution or pooling: floor((W - (d(K-1)+1) + 2P) / S) + 1.

    Args:
        size: W.
        kernel: K.
        stride: S.
        padding: P, on each side.
        dilation: d.
        ceil: round up instead; as in torch, a last window that would start beyond the image and its left padding is
            dropped.

    Raises:
        GeometryError: the kernel does not fit into the padded input.
    """
    room = size + 2 * padding - effective_kernel_size(kernel, dilation)
    count = (math.ceil(room / stride) if ceil else room // stride) + 1
    if ceil and (count - 1) * stride >= size + padding:
        count -= 1
    if size < 1 or count < 1:
        span = effective_kernel_size(kernel, dilation)
        raise GeometryError(f"a kernel that spans {span} pixels does not fit into {size} padded by {padding}")
    return count


def same_padding(kernel: int, dilation: int = 1) -> int:
    """The padding P on each side that `same` stands for: floor(K / 2), or d(K - 1) / 2 for a dilated kernel.

    It keeps the size at stride 1; at stride S, ceil(W / S) remains.

    Raises:
        GeometryError: the kernel spans an even number of pixels, so no P keeps the size.
    """
    span = effective_kernel_size(kernel, dilation)
    if span % 2 == 0:
        raise GeometryError(
            f"`same` padding needs an odd kernel size, not {kernel}: no equal padding of both sides keeps the size"
        )
    return span // 2


@frozen_dataclass
class ReceptiveField:
    """The pixels of the image that one value of a feature map depends on, along one axis.

    Attributes:
        size: r, its length in pixels.
        jump: j, pixels between the fields of two neighbouring values.
        start: s, the first pixel of the first value's field; negative in padding.
    """

    size: float = 1
    jump: float = 1
    start: float = 0

    def after_layer(
        self, kernel: int, stride: float = 1, dilation: int = 1, padding: int = 0
    ) -> "ReceptiveField":
        """The field after a convolution or pooling: r + d(K - 1) j, j S, and s - P j."""
        growth = (effective_kernel_size(kernel, dilation) - 1) * self.jump
        return ReceptiveField(self.size + growth, self.jump * stride, self.start - padding * self.jump)

    def after_transposed_layer(
        self, kernel: int, stride: int = 1, dilation: int = 1, padding: int = 0
    ) -> "ReceptiveField":
        """The field after a transposed convolution: r + floor(d(K-1) / S) j, j / S, and s + ceil((P - d(K-1)) / S) j.

        Neighbouring inputs lie S outputs apart, so that floor(d(K-1) / S) more of them fall under the kernel.
        """
        growth = (effective_kernel_size(kernel, dilation) - 1) // stride
        first = math.ceil((padding - effective_kernel_size(kernel, dilation) + 1) / stride)
        return ReceptiveField(
            self.size + growth * self.jump, self.jump / stride, self.start + first * self.jump
        )

    def span(self, index: int) -> tuple[float, float]:
        """First pixel, and the one after the last, of the field of the value at an index."""
        first = self.start + index * self.jump
        return first, first + self.size


def union(fields: Sequence[ReceptiveField]) -> ReceptiveField:
    """The field of a sum or a concatenation of tensors with these fields."""
    start = min(field.start for field in fields)
    end = max(field.start + field.size for field in fields)
    return ReceptiveField(end - start, max(field.jump for field in fields), start)
