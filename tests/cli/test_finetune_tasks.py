"""`cnncli finetune` on several labels per image and on several tasks: as a user types it."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, f1_score

from cnncli.networks.model_folder import open_folder, verify
from tests.conftest import Cnncli, some_slow
from tests.training.task_data import COLOURS, NETWORK, PLACES, write_tasks

TASKS = ("--label-column", "colour", "--multi-label", "bright")
LABELS = ("--multi-label", "bright")
QUICK = ("--epochs", 2, "-b", 8, "--amp", "off", "--layout", "nchw")


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_tasks(tmp_path, (40, 20, 10))


def run(cnncli: Cnncli, *arguments: object) -> Any:
    result = cnncli("finetune", *arguments, "-f", "json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def answers(folder: str, split: str) -> list[dict[str, str]]:
    with Path(folder, "predictions.csv").open(newline="") as stream:
        return [row for row in csv.DictReader(stream) if row["split"] == split]


@pytest.mark.parametrize("tune", some_slow(["features", "scratch"], ["features"]))
def test_the_results_are_those_of_scikit_learn_on_predictions_csv(
    cnncli: Cnncli, tasks: Path, tiny_64: Path, tune: str
) -> None:
    model = (tiny_64, "--tune", "features") if tune == "features" else (NETWORK, *QUICK)
    output = run(cnncli, tasks, *TASKS, "-m", *model)
    assert output["tune"] == tune
    assert output["images"] == {"train": 39, "val": 20, "test": 10}  # one has no labels at all
    card = open_folder(Path(output["folder"])).card
    verify(open_folder(Path(output["folder"])))
    for split in ("val", "test"):
        colour, bright = output["tasks"][split]
        rows = answers(output["folder"], split)
        known = [row for row in rows if row["label:colour"] != "?"]
        accuracy = accuracy_score(
            [row["label:colour"] for row in known], [row["predicted:colour"] for row in known]
        )
        assert colour["accuracy"]["correct"] == round(accuracy * len(known))
        assert colour["images"] == len(known)
        known = [row for row in rows if row["label:bright:left"]]
        labels, shares = (
            np.array([[float(row[f"{kind}:bright:{place}"]) for place in PLACES] for row in known])
            for kind in ("label", "probability")
        )
        precision = average_precision_score(labels, shares)
        assert bright["mean_average_precision"]["value"] == pytest.approx(precision)
        f1 = f1_score(labels, shares >= np.array(card.tasks[1].thresholds), average="micro")
        assert bright["micro_f1"]["value"] == pytest.approx(f1)
    metrics = {metric.name: metric.value for metric in card.metrics}
    assert metrics["test_map:bright"] == output["tasks"]["test"][1]["mean_average_precision"]["value"]
    assert "bright" in Path(output["folder"], "report.html").read_text()


@pytest.mark.slow
def test_one_task_with_several_labels_has_a_regression_per_class(
    cnncli: Cnncli, tasks: Path, tiny_64: Path
) -> None:
    result = cnncli("finetune", tasks, *LABELS, "-m", tiny_64, "--tune", "features", "-o", "run")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[1].split()[:2] == ["bright", "logistic"]
    assert lines[2].startswith("chosen      bright: logistic (C = ")
    assert lines[3].startswith("val         bright: mAP ")
    assert "micro F1" in lines[3]
    assert lines[4].strip().startswith("exact match: ")
    assert open_folder(Path("run")).card.class_names == tuple(PLACES)
    again = cnncli("evaluate", tasks, "-m", "run", "-f", "json")
    assert again.exit_code == 0, again.stderr
    settings = Path("run", "settings.toml").read_text()
    assert 'multi_label = [\n    "bright",\n]' in settings
    assert "task_weight" not in settings
    repeated = cnncli("finetune", tasks, "-c", "run/settings.toml", "-o", "again")
    assert repeated.exit_code == 0, repeated.stderr
    assert Path("again", "model.safetensors").read_bytes() == Path("run", "model.safetensors").read_bytes()


@pytest.mark.slow
def test_each_task_has_its_classes_and_epochs_their_scores(cnncli: Cnncli, tasks: Path) -> None:
    result = cnncli(
        "finetune", tasks, *TASKS, "-m", NETWORK, *QUICK, "--task-weight", "bright=2.5", "-o", "run"
    )
    assert result.exit_code == 0, result.stderr
    names = ", ".join(f"{number} {name}" for number, name in enumerate(COLOURS))
    assert f"colour, one class per image: {names}" in result.stderr
    assert "bright, several labels per image: 0 bottom, 1 left" in result.stderr
    assert "val loss  colour acc  bright mAP     mean" in result.stderr
    assert 'task_weight = [\n    "bright=2.5",\n]' in Path("run", "settings.toml").read_text()
    resumed = cnncli("finetune", "--resume", "run", "--epochs", 3)
    assert resumed.exit_code == 0, resumed.stderr
    assert "all tasks: " in resumed.stdout
    changed = cnncli(
        "finetune", tasks, *TASKS, "-m", NETWORK, *QUICK, "--resume", "run", "--task-weight", "bright=1"
    )
    assert changed.exit_code != 0
    assert "--task-weight" in changed.stderr


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ((*TASKS, "--task-weight", "bright"), "--task-weight 'bright' is not a task's name and a number"),
        ((*TASKS, "--task-weight", "bright=0"), "--task-weight bright=0: a weight is above 0"),
        ((*TASKS, "--task-weight", "bright=1", "--task-weight", "bright=2"), "names 'bright' twice"),
        ((*TASKS, "--task-weight", "size=2"), "there is no task 'size', only colour, bright"),
        ((*LABELS, "--task-weight", "bright=2"), "no effect without several tasks"),
        ((*TASKS, "--tune", "features", "--task-weight", "bright=2"), "no effect with --tune features"),
        ((*TASKS, "--tune", "features", "--classifier", "knn"), "--classifier knn cannot learn tasks"),
        (
            (*LABELS, "--tune", "features", "--classifier", "svm"),
            "--classifier svm has no effect on several labels",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(
    cnncli: Cnncli, tasks: Path, options: tuple[str, ...], complaint: str
) -> None:
    result = cnncli("finetune", tasks, *options)
    assert result.exit_code == 2
    assert complaint in result.stderr
