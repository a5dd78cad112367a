"""Training throughput, measured before a run starts: which memory layout and precision is the fastest on this machine."""

import copy
import statistics
import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cnncli.dataclass import frozen_dataclass
from cnncli.engines.torch import has_bf16, is_out_of_memory
from cnncli.records.training import Amp, Layout
from cnncli.training.network.criteria import sum_cross_entropy
from cnncli.training.options import TrainingOptions

_LEAST_STEPS, _MOST_STEPS, _SECONDS = 2, 12, 0.5
"""Steps of a measurement: as many as fit into half a second. The first one, in which kernels are chosen, is not counted."""

_SLOW = 0.15
"""Seconds per step of a small batch above which no full batch is measured."""

_IMAGES = 8
"""Images of a small batch."""

_UNKNOWN = 1e-3
"""Images per second if nothing is measured; or if memory does not suffice for any batch that is tried."""

_WORTH_MEASURING = 200
"""Training images of all epochs below which measuring, which takes as long as 50 or so, cannot pay."""

_WORTH_IT = 1.15
"""How many times faster bf16 must be to be chosen, since it has only three significant digits."""

_HOPELESS = 1.5
"""A candidate is given up after its first step if it is this many times slower than the best so far."""

_DTYPES = {Amp.BF16: torch.bfloat16, Amp.FP16: torch.float16}


@frozen_dataclass
class Throughput:
    """Images per second of forward and backward passes in a memory layout and a precision."""

    layout: Layout
    amp: Amp
    images_per_second: float

    @property
    def combination(self) -> str:
        """The memory layout and precision, as messages show them."""
        return f"{self.layout} {'fp32' if self.amp is Amp.OFF else self.amp}"

    def __str__(self) -> str:
        """As messages show it."""
        return f"{self.combination} {self.images_per_second:,.1f} img/s"


def candidates(options: TrainingOptions, device: torch.device) -> list[tuple[Layout, Amp]]:
    """Memory layouts and precisions that may be chosen, the most promising one first.

    On a processor with bf16, channels-last in the better precision was within a tenth of the fastest for ten kinds of networks of 224
    pixels, so the other layout is not worth its time. Without bf16, either layout may be the faster one.
    """
    amps = [options.amp]
    if options.amp is Amp.AUTO:
        amps = [Amp.BF16, Amp.OFF] if has_bf16(device) else [Amp.OFF]
    layouts = [options.layout]
    if options.layout is Layout.AUTO:
        decided_by_amp = device.type == "cpu" and len(amps) > 1
        layouts = [Layout.CHANNELS_LAST] if decided_by_amp else [Layout.CHANNELS_LAST, Layout.NCHW]
    return [(layout, amp) for layout in layouts for amp in amps]


def default_choice(choices: Sequence[tuple[Layout, Amp]], images: int) -> Throughput | None:
    """What to take where there is no choice, or where measuring would not pay for so many training images; None otherwise."""
    if len(choices) > 1 and images >= _WORTH_MEASURING:
        return None
    exact = [choice for choice in choices if choice[1] is Amp.OFF]
    return Throughput(*(exact or choices)[0], _UNKNOWN)


def measure_throughput(
    network: nn.Module,
    shape: tuple[int, int, int],
    batch_size: int,
    choices: Sequence[tuple[Layout, Amp]],
    device: torch.device,
) -> list[Throughput]:
    """The throughput of memory layouts and precisions; the recommended one comes first.

    Args:
        network: the network; a copy of it is measured, in its current mode.
        shape: (C, H, W) of an image.
        batch_size: images of a batch.
        choices: what to measure, the most promising one first.
        device: the device to measure on.
    """
    network = copy.deepcopy(network).to(device)
    measurements: list[Throughput] = []
    counts = sorted({min(batch_size, _IMAGES), batch_size})
    for layout, amp in choices:
        best = max((item.images_per_second for item in measurements), default=0.0)
        network.to(memory_format=_FORMATS[layout])
        rate = _UNKNOWN
        for count in counts:
            images = torch.rand(count, *shape, device=device).to(memory_format=_FORMATS[layout])
            try:
                rate = _measure(network, images, amp, best)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                network.zero_grad(set_to_none=True)
                break
            counts = [count]  # so that the next choices are measured with as many, and once
            if count / rate > _SLOW:
                break
        measurements.append(Throughput(layout, amp, rate))

    def score(item: Throughput) -> float:
        return item.images_per_second / (1 if item.amp is Amp.OFF else _WORTH_IT)

    return sorted(measurements, key=score, reverse=True)


_FORMATS = {Layout.CHANNELS_LAST: torch.channels_last, Layout.NCHW: torch.contiguous_format}


def emulates(device: torch.device, amp: Amp) -> bool:
    """Whether a device emulates a precision in another one, which makes a CPU some ten times slower."""
    return amp is Amp.BF16 and device.type in {"cpu", "cuda"} and not has_bf16(device)


def _measure(network: nn.Module, images: Tensor, amp: Amp, best: float) -> float:
    """Images per second of the median step."""
    seconds: list[float] = []
    while len(seconds) <= _LEAST_STEPS or (sum(seconds) < _SECONDS and len(seconds) <= _MOST_STEPS):
        start = time.perf_counter()
        with torch.autocast(images.device.type, _DTYPES.get(amp, torch.bfloat16), enabled=amp is not Amp.OFF):
            outputs = network(images)
            logits = outputs[0] if isinstance(outputs, tuple) else outputs
            labels = torch.zeros(len(images), dtype=torch.int64, device=images.device)
            loss = sum_cross_entropy(logits.float(), labels)
        loss.backward()
        if images.device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
        if len(seconds) == 1 and best and len(images) / seconds[0] < best / _HOPELESS / 2:
            return len(images) / seconds[0]
    network.zero_grad(set_to_none=True)
    return len(images) / statistics.median(seconds[1:])
