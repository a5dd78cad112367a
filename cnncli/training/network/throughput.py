"""Training throughput, measured before a run starts: which memory layout and precision is the fastest on this machine."""

import copy
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cnncli.engines.torch import has_bf16, is_out_of_memory
from cnncli.records.training import Amp, Layout
from cnncli.training.network.batch_norm import explain_single_image
from cnncli.training.network.criteria import sum_cross_entropy
from cnncli.training.options import TrainingOptions

_LEAST_STEPS, _MOST_STEPS, _SECONDS = 2, 12, 1.0
"""Steps of a measurement: as many as fit into a second. The first one, in which kernels are chosen, is not counted."""

_SLOW = 0.15
"""Seconds per step of a small batch above which no full batch is measured."""

_IMAGES = 8
"""Images of a small batch."""

_UNKNOWN = 1e-3
"""Images per second if memory does not suffice for the smallest batch; training will halve it."""

_WORTH_IT = 1.15
"""How many times faster bf16 must be to be chosen, since it has only three significant digits."""

_HOPELESS = 1.5
"""A candidate is given up after its first step if it is this many times slower than the best so far."""

_DTYPES = {Amp.BF16: torch.bfloat16, Amp.FP16: torch.float16}


@dataclass(frozen=True, slots=True)
class Throughput:
    """Images per second of forward and backward passes in a memory layout and a precision."""

    layout: Layout
    amp: Amp
    images_per_second: float

    def __str__(self) -> str:
        """As messages show it."""
        return (
            f"{self.layout} {'fp32' if self.amp is Amp.OFF else self.amp} {self.images_per_second:,.1f} img/s"
        )


def measure_throughput(
    network: nn.Module, shape: tuple[int, int, int], options: TrainingOptions, device: torch.device
) -> list[Throughput]:
    """The throughput of each memory layout and precision that may be chosen; the recommended one comes first.

    Args:
        network: the network; a copy of it is measured, in its current mode.
        shape: (C, H, W) of an image.
        options: the batch size, and layout and precision if the user chose them.
        device: the device to measure on.

    Raises:
        TrainingError: batch normalisation cannot learn from a single image at a time.
    """
    network = copy.deepcopy(network).to(device)
    measurements: list[Throughput] = []
    for layout, amp in _candidates(options, device):
        best = max((item.images_per_second for item in measurements), default=0.0)
        network.to(memory_format=_FORMATS[layout])
        rate = _UNKNOWN
        for count in sorted({min(options.batch_size, _IMAGES), options.batch_size}):
            images = torch.rand(count, *shape, device=device).to(memory_format=_FORMATS[layout])
            try:
                with explain_single_image():
                    rate = _measure(network, images, amp, best)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                network.zero_grad(set_to_none=True)
                break
            if count / rate > _SLOW:
                break
        measurements.append(Throughput(layout, amp, rate))

    def score(item: Throughput) -> float:
        return item.images_per_second / (1 if item.amp is Amp.OFF else _WORTH_IT)

    return sorted(measurements, key=score, reverse=True)


_FORMATS = {Layout.CHANNELS_LAST: torch.channels_last, Layout.NCHW: torch.contiguous_format}


def _candidates(options: TrainingOptions, device: torch.device) -> Iterator[tuple[Layout, Amp]]:
    layouts = [options.layout] if options.layout is not Layout.AUTO else [Layout.CHANNELS_LAST, Layout.NCHW]
    amps = (
        [options.amp] if options.amp is not Amp.AUTO else [Amp.OFF, *([Amp.BF16] if has_bf16(device) else [])]
    )
    for layout in layouts:
        yield from ((layout, amp) for amp in amps)


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
