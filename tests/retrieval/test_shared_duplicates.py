"""Near duplicates among real photographs, beside look-alikes that are none."""

import io
import json
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from sklearn.datasets import load_digits

from tests.conftest import Cnncli

pytestmark = [pytest.mark.shared, pytest.mark.slow]

TILE, COLUMNS = 64, 25
"""Side of an image on a contact sheet of Tiny ImageNet, and images in a row of it."""


def crop(image: Image.Image, draws: random.Random) -> Image.Image:
    width, height = (round(side * draws.uniform(0.75, 1)) for side in image.size)
    left, top = draws.randint(0, image.width - width), draws.randint(0, image.height - height)
    return image.crop((left, top, left + width, top + height))


def scale(image: Image.Image, draws: random.Random) -> Image.Image:
    share, stretch = draws.uniform(0.25, 0.9), draws.uniform(0.85, 1.15)
    return image.resize((round(image.width * share * stretch), round(image.height * share)))


def compress(image: Image.Image, draws: random.Random) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=draws.randint(10, 60))
    return Image.open(stream)


def recolour(image: Image.Image, draws: random.Random) -> Image.Image:
    changes = (
        lambda: image.convert("L").convert("RGB"),
        lambda: ImageEnhance.Brightness(image).enhance(draws.uniform(0.6, 1.5)),
        lambda: ImageEnhance.Contrast(image).enhance(draws.uniform(0.6, 1.5)),
        lambda: ImageEnhance.Color(image).enhance(draws.uniform(0, 2.5)),
        lambda: image.point([round(255 * (value / 255) ** 1.8) for value in range(256)] * 3),
        lambda: Image.blend(image, Image.new("RGB", image.size, "orange"), 0.25),
    )
    return draws.choice(changes)()


def mirror(image: Image.Image, _: random.Random) -> Image.Image:
    return ImageOps.mirror(image)


def everything(image: Image.Image, draws: random.Random) -> Image.Image:
    for change in (crop, mirror, recolour, scale, compress):
        image = change(image, draws)
    return image


CHANGES = (crop, scale, compress, recolour, mirror, everything)


def write_photographs(shared: Path, folder: Path) -> None:
    """Photographs, each with an altered copy of every kind: `07-3.png` is the fourth one of the seventh."""
    draws = random.Random(0)
    files = sorted((shared / "data" / "imagenet-samples").glob("*.JPEG"))[::4]
    for number, file in enumerate(files):
        with Image.open(file) as opened:
            image = opened.convert("RGB")
        for place, altered in enumerate([image, *(change(image, draws) for change in CHANGES)]):
            altered.save(folder / f"{number:02}-{place}.png", compress_level=1)


def write_look_alikes(shared: Path, folder: Path) -> None:
    """Handwritten digits, and images of a few classes of Tiny ImageNet; none is a copy."""
    for number, image in enumerate(load_digits().images[:150]):
        Image.fromarray(image.astype(np.uint8) * 16).resize((32, 32)).save(folder / f"digit{number}-0.png")
    for sheet in sorted((shared / "data" / "tiny-imagenet-200" / "train").glob("*.webp"))[:3]:
        with Image.open(sheet) as opened:
            for number in range(50):
                left, top = number % COLUMNS * TILE, number // COLUMNS * TILE
                opened.crop((left, top, left + TILE, top + TILE)).save(folder / f"{sheet.stem}{number}-0.png")


def test_altered_photographs_are_found_and_look_alikes_are_not(
    cnncli: Cnncli, shared: Path, tmp_path: Path
) -> None:
    write_photographs(shared, tmp_path)
    write_look_alikes(shared, tmp_path)
    result = cnncli("similar", "--duplicates", tmp_path, "-f", "json")
    groups = [[Path(image["path"]).stem.split("-") for image in group] for group in json.loads(result.stdout)]
    same = sum(name == group[0][0] for group in groups for name, _ in group[1:])
    members = sum(len(group) - 1 for group in groups)
    assert same / members >= 0.9
    assert same / (len(CHANGES) * 25) >= 0.9
