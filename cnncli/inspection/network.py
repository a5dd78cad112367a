"""A network to look into: opened from its model folder; and an image as it sees it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from cnncli.errors import InputError
from cnncli.images.decode import MAX_PIXELS
from cnncli.images.loader import Reader
from cnncli.images.preprocess import cropped, normalized, resized
from cnncli.networks import weights, zoo
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.networks import ModelCard
from cnncli.records.pictures import Values
from cnncli.records.predictions import ImageSource, Unreadable


@dataclass(frozen=True, slots=True)
class Opened:
    """A network on the CPU, in evaluation mode.

    Attributes:
        network: with its weights.
        card: of its model folder.
    """

    network: nn.Module
    card: ModelCard


def opened(folder: ModelFolder) -> Opened:
    """The network of a model folder.

    Raises:
        ModelFolderError: it is an exported one, which has no layers.
        WeightsError: the weights are not this network's.
    """
    file = folder.weights
    network = zoo.build(folder.card.architecture)
    weights.load_saved(network, file)
    return Opened(network.eval().requires_grad_(requires_grad=False), folder.card)


@dataclass(frozen=True, slots=True)
class Seen:
    """An image as a network gets it.

    Attributes:
        picture: (H, W) or (H, W, 3), 0 to 255: resized and cropped.
        images: (1, C, H, W): normalised, too.
    """

    picture: Values
    images: Tensor


def seen(source: ImageSource, card: ModelCard) -> Seen:
    """An image as a network sees it.

    Raises:
        InputError: it cannot be read.
    """
    how = card.preprocessing
    image = Reader(how, MAX_PIXELS).image(source)
    if isinstance(image, Unreadable):
        raise InputError(f"{source.path}: {image.reason}")
    small = cropped(resized(image, how), how)
    return Seen(np.asarray(small, np.float64), torch.from_numpy(normalized(small, how))[None])
