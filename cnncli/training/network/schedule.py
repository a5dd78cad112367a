"""The learning rate and the size of images at every moment: functions of how far training has come, and of no past.

So a run that goes on needs to remember nothing of it, and one whose epochs are raised follows the new curve at once.
"""

import math

from cnncli.records.training import Schedule
from cnncli.training.options import TrainingOptions

_RISE, _FIRST = 0.3, 1 / 25
"""Of one cycle: share of the time in which it rises, and what it begins with (as torch's OneCycleLR)."""


def learning_rate(levers: TrainingOptions, peak: float, epoch: float) -> float:
    """The learning rate.

    Args:
        levers: schedule, epochs, warm-up.
        peak: the highest learning rate.
        epoch: how many epochs have gone by, with the part of the present one: 0 at the start.
    """
    if levers.sched is Schedule.ONE_CYCLE:
        return _one_cycle(peak, levers.min_lr, epoch / levers.epochs)
    warmup = min(levers.warmup_epochs, levers.epochs / 2)
    if epoch < warmup:
        return peak * epoch / warmup
    match levers.sched:
        case Schedule.COSINE:
            return levers.min_lr + (peak - levers.min_lr) * _half_wave(
                (epoch - warmup) / (levers.epochs - warmup)
            )
        case Schedule.STEP:
            return max(peak * math.pow(levers.decay_rate, epoch // levers.decay_epochs), levers.min_lr)
        case Schedule.CONSTANT:
            return peak


_GROWN, _STEP = 4 / 5, 4
"""Share of the epochs after which images have their full size, and the pixels that they grow by (as in Composer)."""


def image_size(levers: TrainingOptions, full: tuple[int, int], epoch: int) -> tuple[int, int]:
    """Height and width of training images in an epoch, in pixels: growing in a straight line from a share of the full size.

    Small images cost less and teach nearly as much early on (Howard's progressive resizing; Tan and Le, 2021).

    Args:
        levers: initial scale, epochs.
        full: (height, width) in the end.
        epoch: from 0.
    """
    done = min(epoch / (_GROWN * levers.epochs), 1)
    scale = levers.initial_scale + (1 - levers.initial_scale) * done
    height, width = (min(max(round(side * scale / _STEP), 1) * _STEP, side) for side in full)
    return height, width


def _one_cycle(peak: float, least: float, done: float) -> float:
    if done < _RISE:
        return peak * (1 - (1 - _FIRST) * _half_wave(done / _RISE))
    return least + (peak - least) * _half_wave((done - _RISE) / (1 - _RISE))


def _half_wave(done: float) -> float:
    """From 1 to 0 as `done` goes from 0 to 1."""
    return (1 + math.cos(math.pi * min(done, 1))) / 2
