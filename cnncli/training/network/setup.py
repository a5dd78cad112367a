"""What a network learns, and how: everything that does not change during training."""

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from cnncli.dataclass import frozen_dataclass
from cnncli.records.data import DataSet
from cnncli.records.networks import Preprocessing
from cnncli.training.network.supervision import Supervision
from cnncli.training.network.teacher import Teacher
from cnncli.training.options import TrainingOptions


@frozen_dataclass
class TrainingSetup:
    """A network, its data and the training options.

    Attributes:
        network: the network, on the CPU.
        head: name of the layer that gives the logits.
        trainable: the modules to train; the others, including norm layers, do not change. None for the whole network.
        freezes_statistics: whether batch norms keep their running statistics. With statistics of the batch, which is from
            another domain, a last layer fitted to features would be worthless, and training would start from scratch.
        data: the images, with the splits train and val.
        preprocessing: the network's preprocessing.
        options: how to train.
        supervision: what the network learns from the labels.
        seed: seed of all randomness.
        max_pixels: larger images are not decoded.
        cache: folder for decoded images, and their largest size in bytes.
        workers: threads that read images.
        teacher: network whose logits are matched; None without distillation.
    """

    network: nn.Module
    head: str
    trainable: Sequence[nn.Module] | None
    freezes_statistics: bool
    data: DataSet
    preprocessing: Preprocessing
    options: TrainingOptions
    supervision: Supervision
    seed: int
    max_pixels: int
    cache: tuple[Path, int]
    workers: int
    teacher: Teacher | None = None
