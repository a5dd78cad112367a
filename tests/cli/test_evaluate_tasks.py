"""`cnncli evaluate` of networks with tasks: several labels per image, and several questions."""

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, f1_score

from tests.conftest import Cnncli
from tests.networks_for_tests import LABELS, TASKS

COLOURS = ["#ff0000", "#00ff00", "#ffff00", "#0000ff", "#ffffff", "#000000", "#804020", "#2080ff"]
LABELLED = ["red", "green", "red|green", "blue", "red|green|blue", "", "red", "blue"]
COLOUR = ["red", "green", "red", "blue", "", "green", "red", "blue"]
MOOD = ["warm|red", "warm", "warm|red", "cold", "warm", "?", "", "cold"]


pytestmark = pytest.mark.usefixtures("photos")


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images of one colour, and lists of their labels."""
    monkeypatch.chdir(tmp_path)
    for number, colour in enumerate(COLOURS):
        Image.new("RGB", (9, 9), colour).save(tmp_path / f"{number}.png")
    write_list(tmp_path / "labels.csv", labels=LABELLED)
    write_list(tmp_path / "tasks.csv", colour=COLOUR, mood=MOOD)
    return tmp_path


def write_list(file: Path, **columns: list[str]) -> None:
    """A list of the images with these columns."""
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", *columns])
        writer.writerows(
            [f"{number}.png", *row] for number, row in enumerate(zip(*columns.values(), strict=True))
        )


def run(cnncli: Cnncli, *arguments: object) -> Any:
    result = cnncli("evaluate", *arguments, "-f", "json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def table(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.read_text())))


@pytest.mark.slow
def test_columns_and_classes_are_those_of_the_network(cnncli: Cnncli, colour_labels: Path) -> None:
    """And every figure can be computed again from predictions.csv."""
    printed = run(cnncli, "labels.csv", "-m", colour_labels, "-o", "out")
    assert printed == json.loads(Path("out/evaluation.json").read_text())
    rows = table(Path("out/predictions.csv"))
    assert [row["label:labels"] for row in rows] == LABELLED
    names = LABELS[0].class_names
    truth = np.array([[int(row[f"label:labels:{name}"]) for name in names] for row in rows])
    shares = np.array([[float(row[f"probability:labels:{name}"]) for name in names] for row in rows])
    task = printed["tasks"]["labels"]
    thresholds = np.array([score["threshold"] for score in task["classes"]])
    assert thresholds.tolist() == list(LABELS[0].thresholds or ())
    assert task["mean_average_precision"]["value"] == pytest.approx(average_precision_score(truth, shares))
    predicted = (shares >= thresholds).astype(int)
    for average in ("micro", "macro"):
        assert task[average]["f1"]["value"] == pytest.approx(f1_score(truth, predicted, average=average))
    assert (
        printed["exact_match"]
        == task["exact_match"]
        == pytest.approx((truth == predicted).all(axis=1).mean())
    )
    names_of = ["|".join(np.array(names)[row.astype(bool)]) for row in predicted]
    assert [row["predicted:labels"] for row in rows] == names_of


@pytest.mark.slow
def test_the_folder_has_tables_pictures_and_a_report(cnncli: Cnncli, colour_tasks: Path) -> None:
    result = cnncli("evaluate", "tasks.csv", "-m", colour_tasks, "-o", "out")
    assert result.exit_code == 0, result.stderr
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "calibration.csv",
        "classes.csv",
        "co_occurrence.csv",
        "co_occurrence_mood.png",
        "confusion_matrix.csv",
        "confusion_matrix_colour.png",
        "coverage.csv",
        "evaluation.json",
        "predictions.csv",
        "reliability_colour.png",
        "reliability_mood.png",
        "report.html",
    ]
    assert {row["task"] for row in table(Path("out/classes.csv"))} == {"colour", "mood"}
    printed = cnncli("evaluate", "tasks.csv", "-m", colour_tasks, "-f", "csv").stdout
    assert printed == Path("out/classes.csv").read_text()
    again = cnncli("evaluate", "tasks.csv", "-m", colour_tasks, "-o", "out", "--overwrite")
    assert again.exit_code == 0, again.stderr


def test_unknown_labels_are_left_out_of_their_task(cnncli: Cnncli, colour_tasks: Path) -> None:
    result = run(cnncli, "tasks.csv", "-m", colour_tasks)
    tasks = result["tasks"]
    assert (tasks["colour"]["images"], tasks["colour"]["unknown"]) == (7, 1)
    assert (tasks["mood"]["images"], tasks["mood"]["unknown"]) == (7, 1)
    assert tasks["colour"]["top1"] == pytest.approx(6 / 7)  # black is taken for red
    assert (tasks["colour"]["kind"], tasks["mood"]["kind"]) == ("single-label", "multi-label")
    text = cnncli("evaluate", "tasks.csv", "-m", colour_tasks).stdout
    assert "task         mood: several labels per image, 7 images, unknown of 1 more" in text
    assert "of 6 images correct" in text  # whose labels are all known


def test_a_threshold_replaces_those_of_the_network(cnncli: Cnncli, colour_labels: Path) -> None:
    task = run(cnncli, "labels.csv", "-m", colour_labels, "--threshold", "0.4")["tasks"]["labels"]
    assert [score["threshold"] for score in task["classes"]] == [0.4] * 3
    assert {score["predicted"] for score in task["classes"]} == {8}  # a channel of 0 has a probability of 0.5
    printed = cnncli("evaluate", "labels.csv", "-m", colour_labels, "--threshold", "0.4", "-f", "csv").stdout
    assert next(csv.DictReader(io.StringIO(printed)))["threshold"] == "0.4"


def test_indicator_columns_are_found(cnncli: Cnncli, photos: Path, colour_labels: Path) -> None:
    names = LABELS[0].class_names
    write_list(
        photos / "indicators.csv",
        **{name: [str(int(name in labels.split("|"))) for labels in LABELLED] for name in names},
    )
    expected = run(cnncli, "labels.csv", "-m", colour_labels)
    assert run(cnncli, "indicators.csv", "-m", colour_labels)["tasks"] == expected["tasks"]


def test_one_of_several_tasks_can_be_evaluated(cnncli: Cnncli, colour_tasks: Path) -> None:
    both = run(cnncli, "tasks.csv", "-m", colour_tasks)
    colour = run(cnncli, "tasks.csv", "-m", colour_tasks, "--label-column", "colour")
    mood = run(cnncli, "tasks.csv", "-m", colour_tasks, "--multi-label", "mood")
    assert colour["tasks"]["colour"]["top1"] == both["tasks"]["colour"]["top1"]
    assert mood["tasks"]["mood"] == both["tasks"]["mood"] | {"unknown": 0}  # that image has no label at all
    assert mood["remarks"][-1] == "tasks has no labels of 'colour': not evaluated"


@pytest.mark.slow
def test_two_networks_are_compared(cnncli: Cnncli, photos: Path, colour_tasks: Path) -> None:
    other = photos / "other"
    shutil.copytree(colour_tasks, other)
    card = json.loads((other / "card.json").read_text())
    card["tasks"][1]["thresholds"] = [0.99, 0.4, 0.7]
    (other / "card.json").write_text(json.dumps(card))
    result = run(cnncli, "tasks.csv", "-m", colour_tasks, "-m", other, "-o", "out")
    mood = result["tasks"]["mood"]
    assert mood["mean_average_precision_difference"] == {"value": 0, "low": 0, "high": 0}
    agreement = mood["exact_match"]
    assert agreement["gained"] == len(mood["gained"]) > 0
    assert (
        agreement["both_correct"] + agreement["neither_correct"] + agreement["gained"] + agreement["lost"]
        == 7
    )
    changes = table(Path("out/changes.csv"))
    assert len(changes) == len(mood["gained"]) + len(mood["lost"])
    assert Path("out/predictions_old.csv").exists()
    text = cnncli("evaluate", "tasks.csv", "-m", colour_tasks, "-m", other).stdout
    assert "difference   +0.0 points of mAP" in text


def test_an_ensemble_and_mirrored_images_average_probabilities(cnncli: Cnncli, colour_tasks: Path) -> None:
    alone = run(cnncli, "tasks.csv", "-m", colour_tasks)["tasks"]
    twice = run(cnncli, "tasks.csv", "-m", colour_tasks, "-m", colour_tasks, "--ensemble")["tasks"]
    mirrored = run(cnncli, "tasks.csv", "-m", colour_tasks, "--tta")["tasks"]
    for other in (twice, mirrored):
        assert other["mood"]["micro"] == alone["mood"]["micro"]
        assert other["colour"]["loss"] == pytest.approx(alone["colour"]["loss"], rel=1e-5)


def test_classes_can_be_mapped_and_restricted(cnncli: Cnncli, photos: Path, colour_labels: Path) -> None:
    write_list(
        photos / "few.csv", labels=[text.replace("red", "rot").replace("|blue", "") for text in LABELLED]
    )
    (photos / "pairs.csv").write_text("rot,red\n")
    task = run(cnncli, "few.csv", "-m", colour_labels, "--map", "pairs.csv", "--subset")["tasks"]["labels"]
    assert {score["name"]: score["support"] for score in task["classes"]} == {"blue": 2, "green": 3, "rot": 4}


def test_an_unreadable_image_is_listed(cnncli: Cnncli, photos: Path, colour_labels: Path) -> None:
    (photos / "3.png").write_bytes(b"broken")
    result = cnncli("evaluate", "labels.csv", "-m", colour_labels, "-f", "json", "-o", "out")
    assert result.exit_code == 3
    assert [record["path"] for record in json.loads(result.stdout)["unreadable"]] == ["3.png"]
    assert [row["path"] for row in table(Path("out/unreadable.csv"))] == ["3.png"]
    assert len(table(Path("out/predictions.csv"))) == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["labels.csv", "--multi-label", "labels", "-m", "NET_colours"],
            "has no tasks, but labels has 'labels'",
        ),
        (["folder", "-m", "NET_labels"], "colours has tasks, but folder has only one class per image"),
        (["tasks.csv", "-m", "NET_labels", "--multi-label", "mood"], "colours has no task 'mood'"),
        (
            ["tasks.csv", "-m", "NET_tasks", "--label-column", "colour", "--label-column", "mood"],
            "is read as one class",
        ),
        (["wrong.csv", "-m", "NET_tasks"], "task 'mood' of colours does not have 1 of the classes: 'sad'"),
        (["labels.csv", "-m", "NET_tasks"], "has no column 'colour'"),
        (
            ["tasks.csv", "-m", "NET_tasks", "-m", "NET_labels", "--ensemble"],
            "have different tasks or classes",
        ),
        (["tasks.csv", "-m", "NET_tasks", "-m", "NET_colours"], "gives one class per image and has no tasks"),
        (["few.csv", "-m", "NET_labels", "--map", "pairs.csv"], "--map gives one class of 'labels' several"),
    ],
)
def test_bad_input_is_one_line(
    cnncli: Cnncli,
    photos: Path,
    colours: Path,
    colour_labels: Path,
    colour_tasks: Path,
    arguments: list[str],
    message: str,
) -> None:
    folders = {"NET_colours": colours, "NET_labels": colour_labels, "NET_tasks": colour_tasks}
    (photos / "folder" / "red").mkdir(parents=True)
    shutil.copy(photos / "0.png", photos / "folder" / "red")
    write_list(photos / "wrong.csv", colour=COLOUR, mood=["sad", *MOOD[1:]])
    write_list(photos / "few.csv", labels=["warm", *[""] * 7])
    (photos / "pairs.csv").write_text("warm,red\nwarm,green\n")
    result = cnncli("evaluate", *(folders.get(word, word) for word in arguments), "-o", "out")
    assert result.exit_code != 0
    (error,) = (line for line in result.stderr.splitlines() if line.startswith("error:"))
    assert message in error
    assert not Path("out").exists()


def test_tasks_of_another_network_are_the_same_tasks_by_name(
    cnncli: Cnncli, photos: Path, colour_tasks: Path
) -> None:
    """The order of the columns in the list does not matter."""
    write_list(photos / "turned.csv", mood=MOOD, colour=COLOUR)
    expected = run(cnncli, "tasks.csv", "-m", colour_tasks)["tasks"]
    turned = run(
        cnncli, "turned.csv", "-m", colour_tasks, "--multi-label", "mood", "--label-column", "colour"
    )["tasks"]
    assert list(turned) == [task.name for task in TASKS]
    assert turned == expected
