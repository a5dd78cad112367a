"""The photographs that benchmarks run on; copies are made once and kept in a temporary folder."""

import argparse
import csv
import io
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from cnncli.images.in_memory import InMemory

CACHE = Path(tempfile.gettempdir()) / "cnncli-benchmarks"
"""Where photographs and networks are kept between runs."""
NOISE = 6.0
"""Standard deviation of the noise added to enlarged photographs, in grey levels: a small sensor in ordinary light."""


def parse_arguments(description: str | None) -> Path:
    """The folder of photographs named on the command line.

    Raises:
        SystemExit: it holds no JPEG files.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photographs", type=Path, help="a folder of JPEG photographs, about 500 x 375 pixels")
    folder: Path = parser.parse_args().photographs
    if not jpegs(folder):
        raise SystemExit(f"{folder} holds no JPEG photographs")
    return folder


def jpegs(folder: Path) -> list[Path]:
    """JPEG files of a folder, sorted."""
    return sorted(file for file in folder.glob("*") if file.suffix.lower() in {".jpg", ".jpeg"})


def class_indices(folder: Path) -> dict[str, int]:
    """Class index by file name, read from index.tsv (columns file, class_index); empty without that file."""
    index = folder / "index.tsv"
    if not index.exists():
        return {}
    with index.open(encoding="utf-8") as stream:
        return {row["file"]: int(row["class_index"]) for row in csv.DictReader(stream, delimiter="\t")}


def copies(source: Path, count: int) -> Path:
    """A folder of `count` files: the photographs of `source`, repeated."""

    def fill(folder: Path) -> None:
        files = jpegs(source)
        for number in range(count):
            shutil.copy(files[number % len(files)], folder / f"{number:05}.jpg")

    return _cached_folder(f"{count}-photographs", source, fill)


def large_copies(source: Path, count: int, megapixels: float) -> Path:
    """A folder of `count` files: the photographs of `source`, repeated, enlarged and noisy."""

    def fill(folder: Path) -> None:
        files = jpegs(source)
        for number in range(count):
            data = enlarge(files[number % len(files)], megapixels, NOISE).data
            (folder / f"{number:05}.jpg").write_bytes(data)

    return _cached_folder(f"{count}-photographs-{megapixels:g}-megapixels", source, fill)


def enlarge(photograph: Path, megapixels: float, noise: float) -> InMemory:
    """The photograph enlarged (Lanczos) to so many megapixels, with Gaussian noise in grey levels, as a JPEG in memory."""
    with Image.open(photograph) as image:
        factor = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
        size = (round(image.width * factor), round(image.height * factor))
        large = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    if noise:
        added = np.random.default_rng(0).normal(0, noise, (size[1], size[0], 3)).astype(np.float32)
        values = np.asarray(large, np.float32) + added
        large = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    file = io.BytesIO()
    large.save(file, "JPEG", quality=92)
    return InMemory(str(photograph), file.getvalue())


def _cached_folder(name: str, source: Path, fill: Callable[[Path], None]) -> Path:
    """A folder that is filled once for each source."""
    folder = CACHE / f"{source.resolve().name}-{name}"
    if not folder.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=CACHE))
        fill(draft)
        draft.rename(folder)
    return folder
