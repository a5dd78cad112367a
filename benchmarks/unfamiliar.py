"""How well images that show none of the classes are told apart from those that do, by `--unfamiliar`.

    python -m benchmarks.unfamiliar ANTS_BEES PHOTOGRAPHS CLASSES

ANTS_BEES and CLASSES are labelled folders with a train and a val folder, CLASSES e.g. ten classes of Tiny ImageNet. A run on ANTS_BEES is shown
PHOTOGRAPHS, a folder whose files are named after WordNet identifiers, except ants and bees. Each class of CLASSES is left out of a run
of its own, which then is shown the images of that class. All runs are of `--tune features` with the default network.
"""

import re
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.results import publish, table
from cnncli import finetune
from cnncli.evaluation.others import auroc
from cnncli.images.sources import require_images
from cnncli.inference import ImageOutput, Session
from cnncli.logits import energies
from cnncli.networks.familiarity import Detector
from cnncli.networks.model_folder import open_folder
from cnncli.records.defaults import DEFAULT
from cnncli.records.engines import InferenceOptions
from cnncli.records.predictions import ImageSource
from cnncli.records.progress import NullProgress

SHARE, TARGET = 0.95, 0.95
"""Share of known images to keep, and the AUROC that must be reached on photographs."""

KNOWN = {"n02219486", "n02206856"}
"""WordNet identifiers of ants and bees."""


def main() -> None:
    """Measure and publish."""
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    ants_bees, photographs, classes = map(Path, sys.argv[1:])
    others = [
        image
        for image in require_images(str(photographs), "PHOTOGRAPHS")
        if not KNOWN & {*re.findall(r"n\d{8}", image.path)}
    ]
    with tempfile.TemporaryDirectory() as folder:
        far = _measure(ants_bees, others, Path(folder, "run"))
    near = {path.name: _leave_out(classes, path.name) for path in sorted((classes / "train").iterdir())}
    mean = np.mean([*near.values()], axis=0)
    rows = [
        [f"{ants_bees.name}, {len(others)} photographs", *_cells(far)],
        *([f"{classes.name} without {name}, {name}", *_cells(row)] for name, row in near.items()),
        [f"mean of {classes.name}", *_cells(mean)],
    ]
    header = ("known, others", "AUROC", "distance alone", "energy alone", "known kept", "others rejected")
    reached = "Reached" if far[0] >= TARGET else "Missed"
    publish(
        "unfamiliar",
        "None of the classes",
        f"{table(header, rows)}\n\nThe area under the ROC curve of the score of `--unfamiliar`, and of its two parts by themselves; "
        f"the shares of known images kept and of others rejected at `--unfamiliar {SHARE}`. Known images are those of val, from which "
        f"the run also has its threshold. Target: an AUROC of at least {100 * TARGET:.0f} % on the photographs. {reached}.",
        ("ANTS_BEES", "PHOTOGRAPHS", "CLASSES"),
    )


def _cells(shares: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> list[str]:
    return [f"{100 * share:.1f} %" for share in shares]


def _leave_out(classes: Path, name: str) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """The figures of a run on all classes but one, against that one."""
    with tempfile.TemporaryDirectory() as folder:
        for path in classes.glob("*/*"):
            if path.name != name:
                link = Path(folder, classes.name, path.relative_to(classes))
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(path.resolve())
        others = require_images(str(classes / "val" / name), "CLASSES")
        return _measure(Path(folder, classes.name), others, Path(folder, "run"))


def _measure(
    data: Path, others: list[ImageSource], run: Path
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """AUROC of the score, of the distance and of the energy alone, and the rates at the threshold."""
    finetune(data, DEFAULT, tune="features", output=run, offline=True)
    folder = open_folder(run)
    detector = Detector.open(folder)
    features = detector.features
    assert features  # noqa: S101 - a run has them
    session = Session(folder, InferenceOptions(), NullProgress())
    count = len(folder.card.class_names)
    outputs = [
        output.values for output in session.logits_and_embeddings(others) if isinstance(output, ImageOutput)
    ]
    logits, embeddings = np.split(np.stack(outputs), [count], axis=1)
    scores, known = detector.scores(logits, embeddings), features.held_out_scores()
    threshold = detector.threshold(SHARE)
    return np.array(
        [
            auroc(known, scores),
            auroc(features.distances, features.distances_of(embeddings)),
            auroc(features.energies, energies(logits)),
            (known <= threshold).mean(),
            (scores > threshold).mean(),
        ]
    )


if __name__ == "__main__":
    main()
