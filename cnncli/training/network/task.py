"""What a network is to learn, and how: everything that does not change while it is trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from cnncli.records.data import DataSet, Split
from cnncli.records.networks import Preprocessing
from cnncli.records.training import ClassWeights
from cnncli.training.network.rng import Indices
from cnncli.training.network.teacher import Teacher
from cnncli.training.options import TrainingOptions


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """A network, its data and the training options.

    Attributes:
        network: on the CPU.
        head: name of the layer that gives the logits.
        trainable: modules that are trained, where not all of the network is; the others, norms too, stay as they are.
        freezes_statistics: batch norms keep their running statistics. With those of the batch, as of images of another
            domain, a classifier on features as the last layer would be worthless, and training would start from scratch.
        data: with the splits train and val.
        preprocessing: of the network.
        options: how to train.
        class_weights: what an image of each class counts.
        seed: of all randomness.
        max_pixels: larger images are not decoded.
        cache: folder of decoded images, and bytes that they may take.
        workers: threads that read images.
        teacher: network whose logits are to be matched, too.
        to_beat: validation accuracy of the classifier on features, which is kept unless this does better; None where
            there is none.
    """

    network: nn.Module
    head: str
    trainable: Sequence[nn.Module] | None
    freezes_statistics: bool
    data: DataSet
    preprocessing: Preprocessing
    options: TrainingOptions
    class_weights: ClassWeights
    seed: int
    max_pixels: int
    cache: tuple[Path, int]
    workers: int
    teacher: Teacher | None = None
    to_beat: float | None = None

    def labels(self, split: Split) -> Indices:
        """(N,) classes of a split's images."""
        return np.array([sample.label for sample in self.data.split(split)], np.intp)
