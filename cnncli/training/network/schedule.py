"""Learning rate and image size as functions of the position in training.

So a resumed run needs no record of them, and a run with more epochs than before follows the new curve at once.
"""

import math

from cnncli.records.training import Schedule
from cnncli.training.options import TrainingOptions

_RISE, _FIRST = 0.3, 1 / 25
"""One cycle: share of the epochs in which the rate rises, and its initial value as a share of the peak (as torch's OneCycleLR)."""


def learning_rate(options: TrainingOptions, peak: float, epoch: float) -> float:
    """The learning rate at a position.

    Args:
        options: schedule, epochs, warm-up.
        peak: highest learning rate.
        epoch: position in epochs, including the fraction of the current one; 0 at the start.
    """
    if options.sched is Schedule.ONE_CYCLE:
        return _one_cycle(peak, options.min_lr, epoch / options.epochs)
    warmup = min(options.warmup_epochs, options.epochs / 2)
    if epoch < warmup:
        return peak * epoch / warmup
    match options.sched:
        case Schedule.COSINE:
            return options.min_lr + (peak - options.min_lr) * _half_cosine(
                (epoch - warmup) / (options.epochs - warmup)
            )
        case Schedule.STEP:
            return max(peak * math.pow(options.decay_rate, epoch // options.decay_epochs), options.min_lr)
        case Schedule.CONSTANT:
            return peak


_FEWEST_EPOCHS, _ENOUGH_UPDATES = 6, 60
"""Fine-tuning is no better after more epochs and updates than this (see `benchmarks/finetune_schedule.py`)."""


def enough_epochs(options: TrainingOptions, images: int) -> int:
    """The fewest epochs of so many images that fine-tuning needs, at most those of the options."""
    steps = math.ceil(images / options.batch_size)
    return min(max(_FEWEST_EPOCHS, math.ceil(_ENOUGH_UPDATES / steps)), options.epochs)


_GROWN, _STEP = 4 / 5, 4
"""Share of the epochs after which images have their full size, and the step in pixels (as in Composer)."""


def image_size(options: TrainingOptions, full: tuple[int, int], epoch: int) -> tuple[int, int]:
    """Height and width of training images in an epoch, in pixels, growing linearly to the full size.

    Small images cost less, and early in training they are nearly as useful (Howard's progressive resizing; Tan and Le, 2021).

    Args:
        options: initial scale, epochs.
        full: (height, width) at the end.
        epoch: number of the epoch, from 0.
    """
    progress = min(epoch / (_GROWN * options.epochs), 1)
    scale = options.initial_scale + (1 - options.initial_scale) * progress
    height, width = (min(max(round(side * scale / _STEP), 1) * _STEP, side) for side in full)
    return height, width


def pixel_share(options: TrainingOptions, full: tuple[int, int]) -> float:
    """The pixels of all epochs' images, as a share of those of full-sized images: what training costs in proportion to."""
    sizes = [image_size(options, full, epoch) for epoch in range(options.epochs)]
    return sum(height * width for height, width in sizes) / (len(sizes) * full[0] * full[1])


def _one_cycle(peak: float, floor: float, progress: float) -> float:
    if progress < _RISE:
        return peak * (1 - (1 - _FIRST) * _half_cosine(progress / _RISE))
    return floor + (peak - floor) * _half_cosine((progress - _RISE) / (1 - _RISE))


def _half_cosine(progress: float) -> float:
    """From 1 to 0 as `progress` goes from 0 to 1."""
    return (1 + math.cos(math.pi * min(progress, 1))) / 2
