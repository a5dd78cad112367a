"""Accuracy, latency and transfer of the built-in model.

python -m benchmarks.pocket.measure VAL PHOTOGRAPHS DATA...

VAL is a labelled folder of the model's 200 classes that it was not trained on: Tiny ImageNet's validation images. PHOTOGRAPHS
is a folder of larger photographs with an index.tsv (columns file, wnid), most of them of other classes. Each DATA is a
labelled folder, learned with the model's features and, for comparison, from scratch.
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
from benchmarks.timing import engine_seconds, median_seconds, run, run_alternately
from cnncli.networks import model_folder, pocket

LISTED, ROUNDS = 10, 7
THRESHOLD = 0.5
EVALUATION = Path(__file__).with_name("evaluation.json")
SAMPLE_IMAGES = Path(__file__).parents[2] / "sample_images"


def main() -> None:
    """Measure, save the evaluation and write the section."""
    if len(sys.argv) < 4:
        raise SystemExit(__doc__)
    val, photographs, *others = map(Path, sys.argv[1:])
    evaluation = json.loads(run(["-m", "cnncli", "evaluate", str(val), "-m", "pocket", "-f", "json"]).stdout)
    for key in ("data", "mistakes"):  # paths on this machine
        evaluation.pop(key)
    EVALUATION.write_text(json.dumps(evaluation, indent=1) + "\n", encoding="utf-8")
    sections = [
        _accuracy(evaluation),
        _sample_images(),
        _other_classes(photographs),
        _latency(),
        _confusions(evaluation),
        _transfer(others),
    ]
    publish("pocket.measure", "The built-in model", "\n\n".join(sections), ("VAL", "PHOTOGRAPHS", "DATA..."))


def _accuracy(evaluation: dict[str, Any]) -> str:
    low, high = evaluation["top1_interval"]
    return (
        f"On {evaluation['images']:,} images that it was not trained on: top-1 {evaluation['top1']:.1%} (95 % confidence "
        f"interval {low:.1%} to {high:.1%}), top-5 {evaluation['top5']:.1%}, loss {evaluation['loss']:.3f}, expected "
        f"calibration error {evaluation['calibration_error']:.3f}."
    )


def _sample_images() -> str:
    """Accuracy on `sample_images/`, whose files are named after their classes."""
    files = sorted(SAMPLE_IMAGES.glob("*.jpg"))
    predictions = [[label.replace(" ", "_").lower() for label in labels] for labels, _ in _predict(files)]
    top1, top5 = (
        sum(file.stem in labels[:k] for file, labels in zip(files, predictions, strict=True)) for k in (1, 5)
    )
    return (
        f"Of the {len(files)} pictures in `sample_images/`, {top1} are correct in top-1 and {top5} in top-5."
    )


def _other_classes(photographs: Path) -> str:
    """Accuracy on photographs of its classes, and how well its confidence separates them from other classes."""
    card = model_folder.open_folder(pocket.FOLDER).card
    names = dict(zip(card.synsets or (), card.class_names, strict=True))
    with (photographs / "index.tsv").open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    truths = [names.get(row["wnid"]) for row in rows]
    predictions = _predict([photographs / row["file"] for row in rows])
    top1, top5 = (
        sum(truth in labels[:k] for truth, (labels, _) in zip(truths, predictions, strict=True) if truth)
        for k in (1, 5)
    )
    confidence = np.array([probability for _, probability in predictions])
    is_known = np.array([truth is not None for truth in truths])
    return (
        f"Of {is_known.sum()} larger photographs of its classes, {top1} are correct in top-1 and {top5} in top-5. Its "
        f"confidence separates them from {(~is_known).sum()} photographs of other classes from the same source with an AUROC "
        f"of {roc_auc_score(is_known, confidence):.2f}; it is above {THRESHOLD:g} for "
        f"{np.mean(confidence[~is_known] > THRESHOLD):.0%} of those, and for {np.mean(confidence[is_known] > THRESHOLD):.0%} "
        "of its own classes."
    )


def _predict(images: Sequence[Path]) -> list[tuple[list[str], float]]:
    """Top-5 labels and top-1 probability of each image."""
    output = run(["-m", "cnncli", "predict", *map(str, images), "-m", "pocket", "-f", "jsonl"]).stdout
    predictions = [json.loads(line)["predictions"] for line in output.splitlines()]
    return [([item["label"] for item in items], items[0]["probability"]) for items in predictions]


def _latency() -> str:
    """Latency of the engine alone on one core, and of a whole process minus that of an empty one."""
    runs = run_alternately(
        {
            "empty": ["-c", "pass"],
            "predict": ["-m", "cnncli", "predict", str(SAMPLE_IMAGES / "lemon.jpg"), "-m", "pocket"],
        },
        ROUNDS,
    )
    difference = median_seconds(runs["predict"]) - median_seconds(runs["empty"])
    milliseconds = 1000 * engine_seconds(model_folder.open_folder(pocket.FOLDER))
    return (
        f"The engine takes {milliseconds:.1f} ms per image on one core (target: at most 10); `cnncli predict "
        f"sample_images/lemon.jpg -m pocket` takes {difference:.2f} s longer than `python -c pass` (target: at most 0.5)."
    )


def _confusions(evaluation: dict[str, Any]) -> str:
    mistakes = [pair for pair in evaluation["confusion_matrix"] if pair["label"] != pair["predicted"]]
    worst = sorted(mistakes, key=lambda pair: -pair["images"])[:LISTED]
    rows = [(pair["label"], pair["predicted"], str(pair["images"])) for pair in worst]
    classes = sorted(evaluation["classes"], key=lambda item: item["recall"])[:LISTED]
    recalls = ", ".join(f"{item['name']} {item['recall']:.0%}" for item in classes)
    pairs = table(("true", "predicted", "images"), rows)
    return f"Most frequent confusion_cells:\n\n{pairs}\n\nLowest recall: {recalls}."


def _transfer(others: Sequence[Path]) -> str:
    """Validation accuracy on other data, with features and from scratch."""
    rows = [
        (data.name, *_finetune(data, "--tune", "features"), *_finetune(data, "--tune", "scratch"))
        for data in others
    ]
    header = ("data", "features", "time", "from scratch, 30 epochs", "time")
    return f"Transfer to other classes (validation accuracy):\n\n{table(header, rows)}"


def _finetune(data: Path, *options: str) -> tuple[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "run"
        command = ["-m", "cnncli", "finetune", str(data), "-m", "pocket", *options, "-o", str(output), "-q"]
        process = run(command)
        metrics = {metric.name: metric.value for metric in model_folder.open_folder(output).card.metrics}
    return f"{metrics['val_top1']:.1%}", f"{process.seconds:.0f} s"


if __name__ == "__main__":
    main()
