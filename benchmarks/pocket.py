"""The built-in model, judged.

python -m benchmarks.pocket VAL PHOTOGRAPHS DATA...

VAL is a labelled folder of its own 200 classes, which it has never seen: Tiny ImageNet's validation images. PHOTOGRAPHS is
a folder of larger ones with an index.tsv (columns file, wnid), most of which show something else. Each DATA, a labelled
folder, is learned with its features and, for comparison, from scratch.
"""

import csv
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.results import publish, table
from benchmarks.timing import engine_seconds, in_turn, run, seconds
from cnncli.networks import model_folder, pocket

CONFUSIONS, ROUNDS = 10, 7
SURE = 0.5
EVALUATION = pocket.FOLDER / "evaluation.json"
SAMPLES = Path(__file__).parents[1] / "sample_images"


def main() -> None:
    """Measure, write the section, and keep the evaluation beside the weights."""
    if len(sys.argv) < 4:
        raise SystemExit(__doc__)
    val, photographs, *others = map(Path, sys.argv[1:])
    found = json.loads(run(["-m", "cnncli", "evaluate", str(val), "-m", "pocket", "-f", "json"]).printed)
    for place in ("data", "mistakes"):  # of this machine, and of no interest elsewhere
        found.pop(place)
    EVALUATION.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    publish(
        "pocket",
        "The built-in model",
        "\n\n".join(
            [
                _accuracy(found),
                _drawn(),
                _beyond(photographs),
                _cost(),
                _confusions(found),
                _transfer(others),
            ]
        ),
        ("VAL", "PHOTOGRAPHS", "DATA..."),
    )


def _accuracy(found: dict[str, Any]) -> str:
    low, high = found["top1_interval"]
    return (
        f"{found['images']:,} images that it has not seen: top-1 {found['top1']:.1%} (95 % interval {low:.1%} to {high:.1%}), "
        f"top-5 {found['top5']:.1%}, loss {found['loss']:.3f}, expected calibration error "
        f"{found['calibration_error']:.3f}."
    )


def _drawn() -> str:
    """The objects of `sample_images/`, each called as its file."""
    files = sorted(SAMPLES.glob("*.jpg"))
    labels = [[name.replace(" ", "_").lower() for name in names] for names, _ in _answers(files)]
    first, five = (
        sum(file.stem in names[:k] for file, names in zip(files, labels, strict=True)) for k in (1, 5)
    )
    return f"Of the {len(files)} objects drawn in `sample_images/` it has {first} right, and {five} among the first five."


def _beyond(photographs: Path) -> str:
    """How far its confidence tells photographs of something else from those of its classes, all from one source."""
    card = model_folder.open_folder(pocket.FOLDER).card
    synsets = dict(zip(card.synsets or (), card.class_names, strict=True))
    with (photographs / "index.tsv").open(newline="") as stream:
        shown = {
            photographs / row["file"]: synsets.get(row["wnid"])
            for row in csv.DictReader(stream, delimiter="\t")
        }
    answers = _answers(list(shown))
    own = [(truth, *answer) for truth, answer in zip(shown.values(), answers, strict=True) if truth]
    sure = np.array([confidence for _, confidence in answers])
    is_own = np.array([truth is not None for truth in shown.values()])
    first, five = (sum(truth in names[:k] for truth, names, _ in own) for k in (1, 5))
    return (
        f"Of {len(own)} larger photographs of its classes it has {first} right, and {five} among the first five. Asked about "
        f"{len(shown) - len(own)} photographs of something else from the same source, its confidence tells them from its own with an AUROC of "
        f"{roc_auc_score(is_own, sure):.2f}; it is surer than {SURE:g} of {np.mean(sure[~is_own] > SURE):.0%} of them, "
        f"and of {np.mean(sure[is_own] > SURE):.0%} of its own."
    )


def _answers(images: Sequence[Path]) -> list[tuple[list[str], float]]:
    """The five labels for each image, and the probability of the first."""
    told = run(["-m", "cnncli", "predict", *map(str, images), "-m", "pocket", "-f", "jsonl"]).printed
    found = [json.loads(line)["predictions"] for line in told.splitlines()]
    return [([item["label"] for item in items], items[0]["probability"]) for items in found]


def _cost() -> str:
    """Time of the engine alone on one core, and of a whole process beside an empty one."""
    runs = in_turn(
        {
            "nothing": ["-c", "pass"],
            "predict": ["-m", "cnncli", "predict", str(SAMPLES / "lemon.jpg"), "-m", "pocket"],
        },
        ROUNDS,
    )
    more = seconds(runs["predict"]) - seconds(runs["nothing"])
    return (
        f"One image takes {1000 * engine_seconds(model_folder.open_folder(pocket.FOLDER)):.1f} ms of the engine's time on one core (at most 10 is what we "
        f"want); `cnncli predict sample_images/lemon.jpg -m pocket` {more:.2f} s more than `python -c pass` (at most 0.5)."
    )


def _confusions(found: dict[str, Any]) -> str:
    wrong = sorted(
        (pair for pair in found["confusion"] if pair["label"] != pair["predicted"]),
        key=lambda pair: -pair["images"],
    )
    weak = sorted(found["classes"], key=lambda item: item["recall"])[:CONFUSIONS]
    pairs = table(
        ("it is", "it says", "images"),
        [(pair["label"], pair["predicted"], str(pair["images"])) for pair in wrong[:CONFUSIONS]],
    )
    names = ", ".join(f"{item['name']} {item['recall']:.0%}" for item in weak)
    return f"Most often mistaken:\n\n{pairs}\n\nLeast often recognised: {names}."


def _transfer(others: Sequence[Path]) -> str:
    """Learning the classes of a folder: features, and from scratch."""
    rows = []
    for data in others:
        ways = {"features": ("--tune", "features"), "scratch": ("--tune", "scratch")}
        told = [_learned(data, way) for way in ways.values()]
        rows.append((data.name, *[cell for pair in told for cell in pair]))
    head = ("data", "features", "time", "from scratch, 30 epochs", "time")
    return f"Teaching it (right on the images held out):\n\n{table(head, rows)}"


def _learned(data: Path, way: Sequence[str]) -> tuple[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "run"
        done = run(["-m", "cnncli", "finetune", str(data), "-m", "pocket", *way, "-o", str(place), "-q"])
        found = {metric.name: metric.value for metric in model_folder.open_folder(place).card.metrics}
    return f"{found['val_top1']:.1%}", f"{done.seconds:.0f} s"


if __name__ == "__main__":
    main()
