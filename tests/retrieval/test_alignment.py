"""Altered copies of an image match it, other images do not."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from sklearn.datasets import load_digits

from cnncli.records.defaults import LEAST_SCORE
from cnncli.retrieval.alignment import likeness
from cnncli.retrieval.template_matching import SIDE, Pixels
from tests.conftest import ROOT

Change = Callable[[Image.Image], Image.Image]


def square(image: Image.Image) -> Pixels:
    return np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32)


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    return [Image.open(file).convert("RGB") for file in sorted((ROOT / "sample_images").glob("*.jpg"))]


def cut(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = image.size
    return image.crop(
        (round(left * width), round(top * height), round(right * width), round(bottom * height))
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda image: cut(image, 0.2, 0.05, 0.95, 0.8),
        lambda image: image.resize((image.width // 3, image.height // 4)),
        lambda image: image.quantize(16).convert("RGB"),
        lambda image: ImageEnhance.Contrast(ImageEnhance.Brightness(image).enhance(0.7)).enhance(0.6),
        ImageOps.mirror,
        lambda image: ImageOps.mirror(cut(image, 0, 0.1, 0.85, 1)).convert("L"),
    ],
    ids=["crop", "scale", "16 colours", "darker", "mirror", "cropped mirror in grey"],
)
def test_altered_copies_match_and_strangers_do_not(photos: list[Image.Image], change: Change) -> None:
    originals = np.stack([square(image) for image in photos])
    copies = np.stack([square(change(image)) for image in photos])
    assert (likeness(originals, copies) >= LEAST_SCORE).mean() >= 0.9
    assert (likeness(copies, originals) >= LEAST_SCORE).mean() >= 0.9
    assert likeness(originals, np.roll(copies, 1, axis=0)).max() < LEAST_SCORE


def test_images_that_overlap_match(photos: list[Image.Image]) -> None:
    first = np.stack([square(cut(image, 0, 0, 0.85, 0.85)) for image in photos])
    second = np.stack([square(cut(image, 0.15, 0.1, 1, 0.95)) for image in photos])
    assert (likeness(first, second) >= LEAST_SCORE).mean() >= 0.9


def test_digits_of_a_class_are_no_copies() -> None:
    digits = load_digits()
    zeros = digits.images[digits.target == 0][:60].astype(np.uint8) * 16
    squares = np.stack([square(Image.fromarray(image)) for image in zeros])
    assert (likeness(squares[:30], squares[30:]) >= LEAST_SCORE).mean() < 0.1
    assert likeness(squares, squares[:, :, ::-1]) == pytest.approx(np.ones(60), abs=1e-3)


def test_images_of_one_shade_match_nothing(photos: list[Image.Image]) -> None:
    grey, photo = np.full((1, SIDE, SIDE), 128, np.float32), square(photos[0])[None]
    assert (
        likeness(grey, photo).tolist()
        == likeness(photo, grey).tolist()
        == likeness(grey, grey).tolist()
        == [0]
    )
