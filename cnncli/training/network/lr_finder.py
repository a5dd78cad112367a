"""`--lr auto`: the learning-rate range test (Smith, 2015)."""

import contextlib
import itertools
import math
from collections.abc import Callable

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import NotANumberError
from cnncli.training.network.loop import Loop


@frozen_dataclass
class RangeTest:
    """Losses at increasing learning rates.

    Attributes:
        rates: the learning rates tried, increasing by a constant factor.
        losses: the smoothed losses.
        lr: the learning rate found, a tenth of the rate with the lowest loss.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    lr: float


_STEPS = 80
_LOWEST, _HIGHEST, _SMOOTHING = 1e-6, 1.0, 0.9
_EXPLODED = 4.0
"""The test ends when the loss exceeds this multiple of the lowest loss so far."""


def find_learning_rate(loop: Loop) -> RangeTest:
    """Run the test with a training loop; its network has changed afterwards."""
    epochs = (loop.steps(epoch) for epoch in itertools.count())
    steps = list(itertools.islice(itertools.chain.from_iterable(epochs), _STEPS))
    loop.set_training_mode()
    with contextlib.closing(loop.batches(steps, 0, loop.setup.preprocessing.size)) as batches:

        def update(lr: float) -> float:
            loop.state.set_learning_rate(lr)
            batch = next(batches)
            try:
                loss, _ = loop.step(batch)
            except NotANumberError:
                return math.nan
            loop.checkpoint.step += 1
            loss, images = loop.processes.sum([loss, float(len(batch.numbers))])
            return loss / max(images, 1)

        return range_test(update)


def range_test(update: Callable[[float], float]) -> RangeTest:
    """Find a learning rate.

    Args:
        update: makes one update at a learning rate, and returns the loss before it.
    """
    rates: list[float] = []
    losses: list[float] = []
    average = 0.0
    for number in range(_STEPS):
        rate = _LOWEST * (_HIGHEST / _LOWEST) ** (number / (_STEPS - 1))
        loss = update(rate)
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
