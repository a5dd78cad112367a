"""Pixels to a network's input, by torch, whose vector instructions halve the time."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cnncli.images.image_cache import Planes
from cnncli.records.networks import Preprocessing
from cnncli.records.training import Layout


def resize(planes: Planes, size: tuple[int, int]) -> Planes:
    """Resize an image (H, W, C) to (height, width) in pixels, bilinearly: Pillow's pixels but for rounding.

    The image is copied first: torch would copy a crop whose rows are not contiguous itself, on all cores.
    """
    image = torch.from_numpy(planes.copy()).permute(2, 0, 1).unsqueeze(0)
    output = functional.interpolate(image, size, mode="bilinear", antialias=True)
    return output[0].permute(1, 2, 0).numpy()


class Normalize:
    """(N, H, W, C) uint8 to (N, C, H, W) float32 on a device: exactly the values of `images.preprocess.normalized`."""

    def __init__(self, preprocessing: Preprocessing, layout: Layout, device: torch.device) -> None:
        """Repeat mean and standard deviation along a row of pixels.

        Row by row, since torch is many times slower along a last axis of only three channels.
        """
        width = preprocessing.size[1]
        self._mean = torch.tensor(preprocessing.mean * width, dtype=torch.float32, device=device)
        self._std = torch.tensor(preprocessing.std * width, dtype=torch.float32, device=device)
        self._layout, self._device = layout, device

    def __call__(self, pixels: NDArray[np.uint8]) -> Tensor:
        """The images, each no wider than the network's input."""
        rows = torch.from_numpy(pixels).to(self._device).flatten(2).float()
        length = rows.shape[2]
        rows = rows.div_(255).sub_(self._mean[:length]).div_(self._std[:length])
        images = rows.view(pixels.shape).permute(0, 3, 1, 2)
        return images if self._layout is Layout.CHANNELS_LAST else images.contiguous()
