"""A few steps to measure, before a training begins: which layout and arithmetic is faster, which learning rate bears."""

import contextlib
import copy
import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from cnncli.engines.torch import is_out_of_memory
from cnncli.errors import TrainingError
from cnncli.records.training import Amp, Layout
from cnncli.training.options import TrainingOptions

_LEAST_STEPS, _MOST_STEPS, _SECONDS = 2, 12, 1.0
"""Of a measurement: as many steps as fit into a second. The first one, in which kernels are chosen, is not counted."""

_SLOW = 0.15
"""Seconds of a small batch's step above which small batches say enough."""

_IMAGES = 8
"""Of a small batch."""

_UNKNOWN = 1e-3
"""Images a second where there is no memory for the smallest batch; training will halve it."""

_WORTH_IT = 1.15
"""How much faster bf16 has to be to be taken, as it has three significant digits only."""

_HOPELESS = 1.5
"""How much slower than the best so far something is when it is given up after its first step."""

_BF16 = ("avx512_bf16", "amx_bf16", "bf16")
"""What processors of x86 and of ARM call it; on others of x86 with AVX-512 oneDNN takes bf16, too, and computes in fp32."""

_DTYPES = {Amp.BF16: torch.bfloat16, Amp.FP16: torch.float16}


@dataclass(frozen=True, slots=True)
class Throughput:
    """How fast a network learns in a layout and an arithmetic, in images a second."""

    layout: Layout
    amp: Amp
    images_per_second: float

    def __str__(self) -> str:
        """As it is told."""
        return (
            f"{self.layout} {'fp32' if self.amp is Amp.OFF else self.amp} {self.images_per_second:,.1f} img/s"
        )


def paces(
    network: nn.Module, shape: tuple[int, int, int], levers: TrainingOptions, device: torch.device
) -> list[Throughput]:
    """How fast each layout and arithmetic is that may be chosen; the one to take first.

    Args:
        network: a copy of it is measured, in the mode that it is in.
        shape: (C, H, W) of an image.
        levers: what has been decided already.
        device: where.

    Raises:
        TrainingError: it cannot learn from a single image at a time.
    """
    network = copy.deepcopy(network).to(device)
    found: list[Throughput] = []
    for layout, amp in _candidates(levers, device):
        best = max((pace.images_per_second for pace in found), default=0.0)
        network.to(memory_format=_FORMATS[layout])
        rate = _UNKNOWN
        for count in sorted({min(levers.batch_size, _IMAGES), levers.batch_size}):
            images = torch.rand(count, *shape, device=device).to(memory_format=_FORMATS[layout])
            try:
                with several_images_needed():
                    rate = _rate(network, images, amp, best)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                network.zero_grad(set_to_none=True)
                break
            if count / rate > _SLOW:
                break
        found.append(Throughput(layout, amp, rate))

    def worth(pace: Throughput) -> float:
        return pace.images_per_second / (1 if pace.amp is Amp.OFF else _WORTH_IT)

    return sorted(found, key=worth, reverse=True)


_FORMATS = {Layout.CHANNELS_LAST: torch.channels_last, Layout.NCHW: torch.contiguous_format}


@contextlib.contextmanager
def several_images_needed() -> Iterator[None]:
    """Say in words what batch normalisation lacks where it gets a single value for each channel.

    Raises:
        TrainingError: it does.
    """
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise TrainingError(
            "batch normalisation cannot learn from a single image at a time",
            "use a larger --batch-size, or fewer --grad-accum-steps",
        ) from error


def _candidates(levers: TrainingOptions, device: torch.device) -> Iterator[tuple[Layout, Amp]]:
    layouts = [levers.layout] if levers.layout is not Layout.AUTO else [Layout.CHANNELS_LAST, Layout.NCHW]
    amps = (
        [levers.amp] if levers.amp is not Amp.AUTO else [Amp.OFF, *([Amp.BF16] if has_bf16(device) else [])]
    )
    for layout in layouts:
        yield from ((layout, amp) for amp in amps)


def has_bf16(device: torch.device) -> bool:
    """Whether a device computes in bf16 by itself."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():  # noqa: SLF001 - the only way to ask
        return False
    return any(torch.cpu.get_capabilities().get(name) for name in _BF16)


def imitates(device: torch.device, amp: Amp) -> bool:
    """Whether a device computes in an arithmetic by way of another only: a CPU some ten times more slowly."""
    return amp is Amp.BF16 and device.type in {"cpu", "cuda"} and not has_bf16(device)


def _rate(network: nn.Module, images: Tensor, amp: Amp, best: float) -> float:
    """Images a second of forward and backward passes: of the median step."""
    seconds: list[float] = []
    while len(seconds) <= _LEAST_STEPS or (sum(seconds) < _SECONDS and len(seconds) <= _MOST_STEPS):
        start = time.perf_counter()
        with torch.autocast(images.device.type, _DTYPES.get(amp, torch.bfloat16), enabled=amp is not Amp.OFF):
            outputs = network(images)
            logits = outputs[0] if isinstance(outputs, tuple) else outputs
            nothing = torch.zeros(len(images), dtype=torch.int64, device=images.device)
            loss = functional.cross_entropy(logits.float(), nothing)
        loss.backward()
        if images.device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
        if len(seconds) == 1 and best and len(images) / seconds[0] < best / _HOPELESS / 2:
            return len(images) / seconds[0]
    network.zero_grad(set_to_none=True)
    return len(images) / statistics.median(seconds[1:])


@dataclass(frozen=True, slots=True)
class RangeTest:
    """Losses at growing learning rates (Smith, 2015).

    Attributes:
        rates: tried, growing by a factor.
        losses: smoothed.
        chosen: a tenth of the rate at which the loss was lowest, before it exploded.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    chosen: float


TRIED = 80
"""Steps of a range test, at most."""

_LOWEST, _HIGHEST, _SMOOTHING, _EXPLODED = 1e-6, 1.0, 0.9, 4.0


def range_test(step: Callable[[int, float], float]) -> RangeTest:
    """Find a learning rate.

    Args:
        step: makes one update at a learning rate and returns the loss before it.
    """
    rates: list[float] = []
    losses: list[float] = []
    average = 0.0
    for number in range(TRIED):
        rate = _LOWEST * (_HIGHEST / _LOWEST) ** (number / (TRIED - 1))
        loss = step(number, rate)
        if not math.isfinite(loss):
            break
        average = _SMOOTHING * average + (1 - _SMOOTHING) * loss
        rates.append(rate)
        losses.append(average / (1 - _SMOOTHING ** (number + 1)))
        if losses[-1] > _EXPLODED * min(losses):
            break
    if not rates:
        return RangeTest((), (), _LOWEST)
    return RangeTest(tuple(rates), tuple(losses), rates[losses.index(min(losses))] / 10)
