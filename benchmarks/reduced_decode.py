"""What decoding large JPEGs at a reduced scale changes: top-5 lists, probabilities, time.

    python -m benchmarks.reduced_decode MODEL_FOLDER PHOTOGRAPHS [--megapixels 12]

Large photographs are made from the given ones: enlarged (Lanczos), with or without sensor noise, saved as JPEG. Noise is the
harder case: it fills the finest detail, which a reduced decode averages away. Times are those of decoding and preprocessing,
image by image alternately at full and at reduced scale, in one thread.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.photographs import NOISE, class_indices, enlarge
from benchmarks.results import publish, table
from cnncli.engines.onnx import OnnxEngine
from cnncli.images.loader import ImageReader
from cnncli.images.preprocess import Pixels
from cnncli.logits import probabilities
from cnncli.networks.model_folder import GRAPH, open_folder
from cnncli.records.defaults import MAX_PIXELS
from cnncli.records.predictions import ImageSource, Unreadable

COUNTS = {
    "exact_correct": "correct, exact",
    "reduced_correct": "correct, reduced",
    "same_top1": "same top-1",
    "same_top5_set": "same top-5",
    "same_top5": "same top-5 in order",
}
"""Fields of `Comparison` that are counted, and their column headings."""


@dataclass(frozen=True)
class Comparison:
    """One photograph decoded at full scale (exact) and at a reduced scale; correct only if the class is known."""

    exact_correct: bool
    reduced_correct: bool
    same_top1: bool
    same_top5: bool
    same_top5_set: bool
    difference: float
    seconds_exact: float
    seconds_reduced: float


@dataclass(frozen=True)
class Decoders:
    """A network's engine, and its two readers."""

    engine: OnnxEngine
    exact: ImageReader
    reduced: ImageReader

    def compare(self, source: ImageSource, label: int | None) -> Comparison:
        """Run the network on both versions of one photograph."""
        exact_pixels, seconds_exact = read_timed(self.exact, source)
        reduced_pixels, seconds_reduced = read_timed(self.reduced, source)
        exact, reduced = (
            probabilities(self.engine.run(pixels[np.newaxis]).logits)[0]
            for pixels in (exact_pixels, reduced_pixels)
        )
        top_exact, top_reduced = np.argsort(-exact)[:5], np.argsort(-reduced)[:5]
        return Comparison(
            exact_correct=bool(top_exact[0] == label),
            reduced_correct=bool(top_reduced[0] == label),
            same_top1=bool(top_exact[0] == top_reduced[0]),
            same_top5=bool((top_exact == top_reduced).all()),
            same_top5_set=set(top_exact) == set(top_reduced),
            difference=float(np.abs(exact - reduced).max()),
            seconds_exact=seconds_exact,
            seconds_reduced=seconds_reduced,
        )


def read_timed(read: ImageReader, source: ImageSource) -> tuple[Pixels, float]:
    """Preprocessed pixels, and how many seconds they took.

    Raises:
        SystemExit: the image cannot be read.
    """
    start = time.perf_counter()
    pixels = read(source)
    seconds = time.perf_counter() - start
    if isinstance(pixels, Unreadable):
        raise SystemExit(f"{source.path}: {pixels.reason}")
    return pixels, seconds


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--megapixels", type=float, default=12)
    options = parser.parse_args()
    folder = open_folder(options.model)
    preprocessing = folder.card.preprocessing
    decoders = Decoders(
        OnnxEngine(options.model / GRAPH),
        exact=ImageReader(preprocessing, MAX_PIXELS, exact=True),
        reduced=ImageReader(preprocessing, MAX_PIXELS),
    )
    files = sorted(options.photographs.glob("*.[jJ]*"))
    labels = class_indices(options.photographs)
    rows = []
    for name, noise in (("enlarged", 0.0), (f"enlarged, noise of {NOISE:g} levels", NOISE)):
        sources = ((enlarge(file, options.megapixels, noise), labels.get(file.name)) for file in files)
        rows.append(_row(name, [decoders.compare(source, label) for source, label in sources]))
    header = (
        "photographs",
        *COUNTS.values(),
        "median (largest) difference of a probability",
        "time, exact / reduced",
    )
    publish(
        "reduced_decode",
        "Decoding large JPEGs at a reduced scale",
        f"{folder.card.name} on {len(files)} photographs, enlarged to {options.megapixels:g} megapixels. Exact decodes "
        f"every pixel (`--exact-decode`), reduced is the default.\n\n{table(header, rows)}\n\n"
        "The pixels are not bit for bit the same: where two classes are almost equally probable, their order may change. "
        "Use `--exact-decode` if predictions must match other programs digit for digit.",
        ("MODEL_FOLDER", "PHOTOGRAPHS"),
    )


def _row(name: str, results: Sequence[Comparison]) -> list[str]:
    differences = [result.difference for result in results]
    ratio = statistics.median(result.seconds_exact / result.seconds_reduced for result in results)
    counts = [str(sum(getattr(result, field) for result in results)) for field in COUNTS]
    return [name, *counts, f"{statistics.median(differences):.4f} ({max(differences):.3f})", f"{ratio:.1f}"]


if __name__ == "__main__":
    main()
