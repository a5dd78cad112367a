"""What decoding large JPEGs at a reduced scale changes: top-5 lists, probabilities, time.

    python -m benchmarks.reduced_decode MODEL_FOLDER PHOTOGRAPHS [--megapixels 12]

Large photographs are made from the given ones: enlarged (Lanczos), with noise as a sensor adds it or without,
saved as JPEG. Noise is the harder case: it fills the finest detail, which a reduced decode averages away. The
ratio of times is that of decoding and preprocessing every pixel to doing so at the reduced scale, image by
image in turn, one thread.
"""

import argparse
import csv
import io
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.results import publish, table
from cnncli.engines.onnx import OnnxEngine
from cnncli.images.decode import MAX_PIXELS
from cnncli.images.in_memory import InMemory
from cnncli.images.loader import Reader
from cnncli.images.preprocess import Pixels
from cnncli.logits import probabilities
from cnncli.networks.model_folder import GRAPH, open_folder
from cnncli.records.predictions import ImageSource, Unreadable

NOISE = 6.0
"""Standard deviation of the added noise, in grey levels: a small sensor in ordinary light."""


@dataclass(frozen=True)
class Comparison:
    """One photograph, every pixel decoded against reduced; right or wrong where the truth is known."""

    exact_right: bool
    reduced_right: bool
    same_top1: bool
    same_top5: bool
    same_top5_set: bool
    difference: float
    seconds_exact: float
    seconds_reduced: float


def enlarged(photograph: Path, megapixels: float, noise: float) -> InMemory:
    """A photograph of so many megapixels, as a JPEG."""
    with Image.open(photograph) as image:
        factor = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
        size = (round(image.width * factor), round(image.height * factor))
        large = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    if noise:
        draw = np.random.default_rng(0)
        values = np.asarray(large, np.float32) + draw.normal(0, noise, (size[1], size[0], 3)).astype(
            np.float32
        )
        large = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    file = io.BytesIO()
    large.save(file, "JPEG", quality=92)
    return InMemory(str(photograph), file.getvalue())


def timed(read: Reader, source: ImageSource) -> tuple[Pixels, float]:
    """Pixels, and the seconds they took."""
    start = time.perf_counter()
    pixels = read(source)
    seconds = time.perf_counter() - start
    if isinstance(pixels, Unreadable):
        raise SystemExit(f"{source.path}: {pixels.reason}")
    return pixels, seconds


def compare(
    source: ImageSource, truth: int | None, engine: OnnxEngine, exact: Reader, reduced: Reader
) -> Comparison:
    """Both ways on one photograph."""
    (all_pixels, seconds_exact), (fewer_pixels, seconds_reduced) = (
        timed(exact, source),
        timed(reduced, source),
    )
    one, other = (
        probabilities(engine.run(pixels[np.newaxis]).logits)[0] for pixels in (all_pixels, fewer_pixels)
    )
    top_one, top_other = np.argsort(-one)[:5], np.argsort(-other)[:5]
    return Comparison(
        exact_right=bool(top_one[0] == truth),
        reduced_right=bool(top_other[0] == truth),
        same_top1=bool(top_one[0] == top_other[0]),
        same_top5=bool((top_one == top_other).all()),
        same_top5_set=set(top_one) == set(top_other),
        difference=float(np.abs(one - other).max()),
        seconds_exact=seconds_exact,
        seconds_reduced=seconds_reduced,
    )


def truths(folder: Path) -> dict[str, int]:
    """Class index of each file, where an index.tsv (file, class_index) tells."""
    index = folder / "index.tsv"
    if not index.exists():
        return {}
    with index.open() as stream:
        return {row["file"]: int(row["class_index"]) for row in csv.DictReader(stream, delimiter="\t")}


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--megapixels", type=float, default=12)
    options = parser.parse_args()
    folder = open_folder(options.model)
    engine = OnnxEngine(options.model / GRAPH)
    reduced = Reader(folder.card.preprocessing, MAX_PIXELS)
    exact = Reader(folder.card.preprocessing, MAX_PIXELS, exact=True)
    files = sorted(options.photographs.glob("*.[jJ]*"))
    known = truths(options.photographs)
    rows = []
    for name, noise in (("enlarged", 0.0), (f"enlarged, noise of {NOISE:g} levels", NOISE)):
        results = [
            compare(enlarged(file, options.megapixels, noise), known.get(file.name), engine, exact, reduced)
            for file in files
        ]
        differences = [result.difference for result in results]
        ratio = statistics.median(result.seconds_exact / result.seconds_reduced for result in results)
        counts = [
            sum(getattr(result, field) for result in results)
            for field in ("exact_right", "reduced_right", "same_top1", "same_top5_set", "same_top5")
        ]
        rows.append(
            [
                name,
                *map(str, counts),
                f"{statistics.median(differences):.4f} ({max(differences):.3f})",
                f"{ratio:.1f}",
            ]
        )
    head = (
        "photographs",
        "right, exact",
        "right, reduced",
        "same top-1",
        "same five",
        "same five in order",
        "median (largest) difference of a probability",
        "time, exact / reduced",
    )
    publish(
        "reduced_decode",
        "Decoding large JPEGs at a reduced scale",
        f"{folder.card.name} on {len(files)} photographs, enlarged to {options.megapixels:g} megapixels. Exact decodes "
        f"every pixel (`--exact-decode`), reduced is the default.\n\n{table(head, rows)}\n\n"
        "It is not the same picture to the last bit: where two classes are nearly as probable, their order may change. "
        "Use `--exact-decode` where answers must match those of other programs digit by digit.",
        ("MODEL_FOLDER", "PHOTOGRAPHS"),
    )


if __name__ == "__main__":
    main()
