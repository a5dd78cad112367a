"""The network of a model folder with its weights, and an image preprocessed for it."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import InputError
from cnncli.images.loader import ImageReader
from cnncli.images.preprocess import center_crop, normalize, resize, size_after_resize
from cnncli.networks import zoo
from cnncli.networks.model_folder import ModelFolder
from cnncli.networks.zoo import weights
from cnncli.records.defaults import MAX_PIXELS
from cnncli.records.networks import ModelCard, Preprocessing
from cnncli.records.pictures import Values
from cnncli.records.predictions import ImageSource, Unreadable

_LARGEST_PHOTOGRAPH = 1000
"""Longer side of a photograph in a figure, in pixels; more would not be visible."""


@frozen_dataclass
class LoadedModel:
    """A network on the CPU, in evaluation mode, with its weights.

    Attributes:
        network: as a torch module.
        card: of its model folder.
    """

    network: nn.Module
    card: ModelCard


def load_model(folder: ModelFolder) -> LoadedModel:
    """Load the network of a model folder.

    Raises:
        ModelFolderError: it holds an exported network, which has no layers.
        WeightsError: the weights do not fit the network.
    """
    file = folder.weights
    network = zoo.build(folder.card.architecture)
    weights.load_saved(network, file)
    return LoadedModel(network.eval().requires_grad_(requires_grad=False), folder.card)


@frozen_dataclass
class InputImage:
    """An image as the input of a network.

    Attributes:
        picture: (H, W) or (H, W, 3), 0 to 255: resized and cropped.
        batch: (1, C, H, W): normalised as well.
    """

    picture: Values
    batch: Tensor


def load_image(source: ImageSource, card: ModelCard) -> InputImage:
    """Read an image and preprocess it as the model card says.

    Raises:
        InputError: it cannot be read.
    """
    preprocessing = card.preprocessing
    image = ImageReader(preprocessing, MAX_PIXELS).image(source)
    if isinstance(image, Unreadable):
        raise InputError(f"{source.path}: {image.reason}")
    crop = center_crop(resize(image, preprocessing), preprocessing)
    return InputImage(np.asarray(crop, np.float64), torch.from_numpy(normalize(crop, preprocessing))[None])


def load_photograph(source: ImageSource, card: ModelCard) -> Values:
    """(H, W) or (H, W, 3), 0 to 255: what the network sees of an image, in the image's own resolution.

    Raises:
        InputError: it cannot be read.
    """
    image = ImageReader(card.preprocessing, MAX_PIXELS, exact=True).image(source)
    if isinstance(image, Unreadable):
        raise InputError(f"{source.path}: {image.reason}")
    enlarged = _enlarge(card.preprocessing, image.size)
    return np.asarray(center_crop(resize(image, enlarged), enlarged), np.float64)


def _enlarge(preprocessing: Preprocessing, size: tuple[int, int]) -> Preprocessing:
    """The preprocessing with all sizes multiplied, so that an image of a size (width, height) is hardly resized."""
    resized = size_after_resize(size, preprocessing)
    own = min(before / after for before, after in zip(size, resized, strict=True))
    factor = max(min(own, _LARGEST_PHOTOGRAPH / max(preprocessing.size)), 1.0)
    (height, width), (resize_height, resize_width) = preprocessing.size, preprocessing.resize
    return replace(
        preprocessing,
        size=(round(height * factor), round(width * factor)),
        resize=(round(resize_height * factor), round(resize_width * factor)),
    )
