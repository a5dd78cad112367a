"""Layers of blueprints that torch does not have.

A sum or a concatenation is a module of its own, so that a summary has a row for it.
"""

import itertools
import math
from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from cnncli.records.anatomy import Shape, Sides, Window


class Sum(nn.Module):
    """The sum of two tensors."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Two tensors (N, ...) of the same shape to their sum."""
        return first + second


class Concatenation(nn.Module):
    """Maps concatenated along the channels."""

    def forward(self, *maps: Tensor) -> Tensor:
        """Several (N, C_i, ...) to (N, sum of C_i, ...)."""
        return torch.cat(maps, dim=1)


class LocallyConnectedLayer(nn.Module):
    """A convolution with weights of its own at each position; nothing is shared."""

    def __init__(
        self,
        before: Shape,
        after: Shape,
        kernel: Sides,
        *,
        stride: Sides,
        padding: Sides,
        dilation: Sides,
        bias: bool,
    ) -> None:
        """A layer with random weights.

        Args:
            before: (C, H, W), shape of its input.
            after: (C', H', W'), shape of its output.
            kernel: (K_h, K_w).
            stride: of a convolution, one value per axis.
            padding: likewise, on both sides.
            dilation: likewise.
            bias: whether each output value has one.
        """
        super().__init__()
        self.window = Window(before[1:], kernel, stride, padding, dilation)
        self.output = after
        inputs = math.prod(kernel) * before[0]
        bound = inputs**-0.5  # as torch initialises its convolutions
        self.weight = nn.Parameter(
            torch.empty(math.prod(after[1:]), inputs, after[0]).uniform_(-bound, bound)
        )
        self.bias = nn.Parameter(torch.empty(after).uniform_(-bound, bound)) if bias else None

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H', W')."""
        window = self.window
        pads = [side for side in reversed(window.padding) for side in (side, side)]
        padded = functional.pad(maps, pads)
        patches = [self._patches(padded, offset) for offset in itertools.product(*map(range, window.kernel))]
        values = torch.stack(patches, dim=2).flatten(3).flatten(1, 2)  # (N, C K_h K_w, H' W')
        products = torch.bmm(values.permute(2, 0, 1), self.weight)  # (H' W', N, C')
        output = products.permute(1, 2, 0).reshape(-1, *self.output)
        return output if self.bias is None else output + self.bias

    def _patches(self, padded: Tensor, offset: Sequence[int]) -> Tensor:
        """(N, C, H', W'): the values under one weight of the kernel at all positions."""
        axes = zip(offset, self.window.dilation, self.window.stride, self.output[1:], strict=True)
        slices = [
            slice(index * step, index * step + (count - 1) * stride + 1, stride)
            for index, step, stride, count in axes
        ]
        return padded[(slice(None), slice(None), *slices)]


class ParallelBranches(nn.Module):
    """Parallel branches on the same input, concatenated along the channels."""

    def __init__(self, branches: list[nn.Sequential]) -> None:
        super().__init__()
        for number, branch in enumerate(branches, start=1):
            self.add_module(f"way{number}", branch)  # a name that saved weights have
        self.concat = Concatenation()

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) to (N, sum of the branches' channels, H, W)."""
        branches = [branch for branch in self.children() if branch is not self.concat]
        output: Tensor = self.concat(*(branch(maps) for branch in branches))
        return output


class InceptionModule(ParallelBranches):
    """GoogLeNet's four branches: 1x1 convolution; 1x1 and 3x3; 1x1 and 5x5; max pooling and 1x1."""


class ResidualBlock(nn.Module):
    """A body and a shortcut, added or concatenated, then an activation."""

    def __init__(self, body: nn.Sequential, shortcut: nn.Module, activation: nn.Module | None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut
        if isinstance(shortcut, ConcatShortcut):
            self.concat = Concatenation()
        else:
            self.sum = Sum()
        self.activation = activation or nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H', W')."""
        merge = self.concat if isinstance(self.shortcut, ConcatShortcut) else self.sum
        output: Tensor = self.activation(merge(self.shortcut(maps), self.body(maps)))
        return output


class ConcatShortcut(nn.Identity):
    """A shortcut that is concatenated with the body's output instead of added."""


class ZeroPadShortcut(nn.Module):
    """The parameter-free shortcut of He et al. (2015, option A): subsampling, and zeros for additional channels."""

    def __init__(self, stride: Sides, channels: int) -> None:
        super().__init__()
        self.stride = stride
        self.channels = channels

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C + channels, H / stride, W / stride)."""
        for axis, step in enumerate(self.stride, start=2):
            maps = maps[(slice(None),) * axis + (slice(None, None, step),)]
        return functional.pad(maps, (0, 0) * len(self.stride) + (0, self.channels))


class MinPool(nn.Module):
    """Minimum pooling; padding does not count."""

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, maps: Tensor) -> Tensor:
        """The negative of the max-pooled negative."""
        negative: Tensor = self.pool(-maps)
        return -negative


class GlobalAveragePool(nn.Module):
    """The mean of each map."""

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C)."""
        return maps.flatten(2).mean(dim=2)


class AuxiliaryHead(nn.Sequential):
    """An auxiliary classifier in the middle of a network, for training only."""

    def __init__(self, layers: OrderedDict[str, nn.Module], loss_weight: float) -> None:
        super().__init__(layers)
        self.loss_weight = loss_weight
