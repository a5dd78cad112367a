"""Mixup and CutMix: mixing the images of a step with one another, and their targets likewise."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cnncli.dataclass import frozen_dataclass
from cnncli.training.network import rng
from cnncli.training.network.batches import Batch
from cnncli.training.network.pixels import Normalize
from cnncli.training.network.processes import Processes
from cnncli.training.network.rng import Indices
from cnncli.training.network.supervision import Labels
from cnncli.training.options import TrainingOptions


@frozen_dataclass
class Mixing:
    """How the images of a step are mixed; the same in all processes.

    Attributes:
        share: share of the image itself in the mixture; the rest is its partner's.
        box: top, left, height and width of the partner's rectangle (CutMix); None where the two are blended (mixup).
        partners: (N,), the position of each image's partner.
    """

    share: float
    box: tuple[int, int, int, int] | None
    partners: NDArray[np.intp]


def draw_mixing(
    numbers: Indices, size: tuple[int, int], options: TrainingOptions, generator: np.random.Generator
) -> Mixing:
    """Draw how the images of a step are mixed: by mixup or by CutMix, by either with probability 1/2 if both are on.

    Args:
        numbers: (N,), numbers of the step's images, in any order: the partner of an image depends only on the numbers.
        size: (height, width).
        options: the alphas.
        generator: source of randomness.
    """
    cuts = bool(options.cutmix) and (not options.mixup or generator.random() < 1 / 2)
    alpha = options.cutmix if cuts else options.mixup
    share = float(generator.beta(alpha, alpha))
    order = np.argsort(numbers, kind="stable")
    partners = np.empty_like(order)
    partners[order] = order[generator.permutation(len(order))]
    if not cuts:
        return Mixing(share, None, partners)
    height, width = size
    rows, columns = round(height * (1 - share) ** 0.5), round(width * (1 - share) ** 0.5)
    top, left = int(generator.integers(height - rows + 1)), int(generator.integers(width - columns + 1))
    return Mixing(1 - rows * columns / (height * width), (top, left, rows, columns), partners)


def mix_images(images: Tensor, partners: Tensor, mixing: Mixing) -> Tensor:
    """Mix images (N, C, H, W) with their partners, of the same shape."""
    if mixing.box is None:
        return mixing.share * images + (1 - mixing.share) * partners
    top, left, rows, columns = mixing.box
    box = (..., slice(top, top + rows), slice(left, left + columns))
    images = images.clone()
    images[box] = partners[box]
    return images


def mix_labels(labels: Tensor, partners: Tensor, classes: int, mixing: Mixing) -> Tensor:
    """(N, K) targets, the share of each class in mixed images, from the labels of both.

    Labels are classes (N,), or answers (N, K); what is unknown of either image is unknown of the mixed one.
    """
    targets, partner_targets = (
        functional.one_hot(item, classes).float() if item.ndim == 1 else item for item in (labels, partners)
    )
    return mixing.share * targets + (1 - mixing.share) * partner_targets


@frozen_dataclass
class Mixer:
    """Mixes the images of a step across processes: the partner of an image may belong to another one.

    Attributes:
        options: the alphas, and when mixing ends.
        labels: those of all training images: classes (N,), or answers (N, K).
        classes: K, number of classes.
        seed: the run's random seed.
        processes: the processes whose images are mixed.
        normalize: converts pixels to tensors.
    """

    options: TrainingOptions
    labels: Labels
    classes: int
    seed: int
    processes: Processes
    normalize: Normalize

    def mix(
        self, batch: Batch, images: Tensor, labels: Tensor, position: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """This process's images (N, C, H, W) and targets: (N, K) where images are mixed, else the labels.

        Args:
            batch: this process's images of the step.
            images: the same as tensors.
            labels: their labels.
            position: epoch and step, from 0.
        """
        if not self.options.mixes(position[0]):
            return images, labels
        batches = self.processes.gather((batch.numbers, batch.pixels))
        if not len(batch.numbers):  # nothing to mix, but the other processes needed this batch
            return images, labels
        numbers = np.concatenate([numbers for numbers, _ in batches])
        generator = rng.mixing_generator(self.seed, *position)
        mixing = draw_mixing(numbers, batch.pixels.shape[1:3], self.options, generator)
        before = sum(len(numbers) for numbers, _ in batches[: self.processes.rank])
        partner_rows = mixing.partners[before : before + len(batch.numbers)]
        pixels = np.concatenate([pixels for numbers, pixels in batches if len(numbers)])
        partners = torch.from_numpy(self.labels[numbers[partner_rows]]).to(labels.device)
        return (
            mix_images(images, self.normalize(pixels[partner_rows]), mixing),
            mix_labels(labels, partners, self.classes, mixing),
        )
