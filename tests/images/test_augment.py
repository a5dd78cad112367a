"""Random views of images."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from cnncli.images.augment import random_view
from cnncli.records.augmentation import PRESETS, Augmentation, AutoAugment, Strength


@pytest.fixture
def image() -> Image.Image:
    """A soft gradient: red grows to the right, green downwards."""
    rows, columns = np.mgrid[0:60, 0:80]
    planes = np.stack([columns * 3, rows * 4, np.full_like(rows, 90)], axis=2)
    return Image.fromarray(planes.astype(np.uint8))


def seen(image: Image.Image, seed: int = 0, **options: Any) -> np.ndarray:
    return viewed(image, (32, 32), Augmentation(**options), seed).astype(float)


def viewed(image: Image.Image, size: tuple[int, int], preset: Augmentation, seed: int) -> np.ndarray:
    planes = np.asarray(image).reshape(image.height, image.width, -1)
    return random_view(planes, size, preset, np.random.default_rng(seed))


def test_without_augmentation_a_view_is_the_center_crop(image: Image.Image) -> None:
    view = seen(image)
    assert view.shape == (32, 32, 3)
    assert (view == seen(image, seed=5)).all()
    assert view[:, :, 0].mean() == pytest.approx(118.5, abs=2)  # columns 10 to 70 of 80


def test_flips(image: Image.Image) -> None:
    assert (seen(image, hflip=1.0) == seen(image)[:, ::-1]).all()
    assert (seen(image, vflip=1.0) == seen(image)[::-1]).all()
    halves = [(seen(image, seed=seed, hflip=0.5) == seen(image)).all() for seed in range(200)]
    assert 0.35 < np.mean(halves) < 0.65


def test_a_crop_shows_a_part_of_that_area(image: Image.Image) -> None:
    for seed in range(20):
        view = seen(image, seed=seed, scale=(0.25, 0.25), ratio=(1.0, 1.0))
        width, height = np.ptp(view[:, :, 0]) / 3, np.ptp(view[:, :, 1]) / 4
        assert width * height == pytest.approx(60 * 80 * 0.25, rel=0.2)


def test_rotation_and_translation(image: Image.Image) -> None:
    turned = [seen(image, seed=seed, rotate=30.0) for seed in range(5)]
    assert all((view != seen(image)).mean() > 0.3 for view in turned)
    shifted = seen(image, seed=1, translate=0.3)
    assert (shifted == 128).all(axis=2).any()


def test_jitter_is_pillows_brightness_contrast_and_saturation_at_once(image: Image.Image) -> None:
    """Where nothing is cut off at black and white."""
    soft = ImageEnhance.Contrast(image).enhance(0.4)
    draws = np.random.default_rng(3)
    expected = soft.resize((32, 32), Image.Resampling.BILINEAR, (10, 0, 70, 60))
    for kind in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        expected = kind(expected).enhance(draws.uniform(0.8, 1.2))
    actual = seen(soft, seed=3, color_jitter=0.2)
    assert np.abs(actual - np.asarray(expected)).max() <= 4


@pytest.mark.parametrize("kind", [AutoAugment.RAND, AutoAugment.TRIVIAL])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_every_operation_works_on_colour_and_grey_images(
    image: Image.Image, kind: AutoAugment, mode: str
) -> None:
    views = {seen(image.convert(mode), seed=seed, aa=kind).tobytes() for seed in range(60)}
    assert len(views) > 30


def test_erasing_overwrites_a_rectangle(image: Image.Image) -> None:
    black = Image.new("RGB", (50, 40))
    for seed in range(5):
        pixels = viewed(black, (40, 50), Augmentation(reprob=1.0), seed)
        rows, columns = np.nonzero(pixels.any(axis=2))
        assert 0.01 < len(rows) / 2000 < 0.4
        assert len(rows) > 0.9 * np.ptp(rows) * np.ptp(columns)
    assert not viewed(black, (40, 50), Augmentation(), 0).any()
    assert (
        0.3
        < np.mean([seen(image, seed, reprob=0.5).tobytes() != seen(image).tobytes() for seed in range(60)])
        < 0.7
    )


def test_a_view_depends_only_on_its_random_numbers(image: Image.Image) -> None:
    for preset in (PRESETS[strength] for strength in Strength):
        views = [viewed(image, (24, 40), preset, seed) for seed in (1, 1, 2)]
        assert views[0].shape == (24, 40, 3)
        assert (views[0] == views[1]).all()
        assert (views[0] != views[2]).any() == (preset != Augmentation())
    assert replace(PRESETS[Strength.LIGHT], scale=(1.0, 1.0), ratio=(1.0, 1.0)).crops is False
