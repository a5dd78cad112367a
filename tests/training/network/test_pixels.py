"""Resizing by torch."""

import numpy as np

from cnncli.images import augment
from cnncli.images.augment import random_view
from cnncli.records.augmentation import PRESETS, Strength
from cnncli.training.network.pixels import resize


def test_torch_resizes_like_pillow_up_to_rounding() -> None:
    draws = np.random.default_rng(0)
    for channels in (1, 3):
        planes = draws.integers(0, 256, (61, 47, channels), dtype=np.uint8)
        for size in ((32, 32), (20, 80), (61, 40)):
            found, expected = resize(planes, size), augment.resize_planes(planes, size)
            assert found.shape == (*size, channels)
            assert np.abs(found.astype(int) - expected).max() <= 1
        for number in range(5):
            views = [
                random_view(planes, (24, 24), PRESETS[Strength.STRONG], np.random.default_rng(number), method)
                for method in (resize, augment.resize_planes)
            ]
            assert views[0].shape == views[1].shape == (24, 24, channels)
