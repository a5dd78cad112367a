"""`cnncli evaluate`: the same numbers in every output."""

import csv
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from cnncli.errors import OutputError
from cnncli.evaluation import output as outputs
from tests.conftest import Cnncli, Imports

KINDS = {"warm": (230, 90, 40), "cold": (40, 90, 230), "green": (60, 200, 80)}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three classes that are easily confused."""
    draws = np.random.default_rng(0)
    for name, colour in KINDS.items():
        for number in range(20):
            tint = draws.normal(0, 70, 3)
            pixels = np.clip(np.array(colour) + tint + draws.normal(0, 30, (12, 16, 3)), 0, 255).astype(
                np.uint8
            )
            file = tmp_path / "shades" / name / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(file)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "shades"


@pytest.fixture
def hues(tmp_path: Path) -> Path:
    """Images named as the colour classifier names its classes; some are wrong."""
    for name, colours in {
        "red": ["red", "#c03030", "lime"],
        "green": ["lime", "green"],
        "blue": ["blue", "#8080ff"],
    }.items():
        for number, colour in enumerate(colours):
            file = tmp_path / "hues" / name / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (9, 9), colour).save(file)
    return tmp_path / "hues"


def table(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.read_text(errors="surrogateescape"))))


def run(cnncli: Cnncli, *arguments: object, code: int = 0) -> Any:
    result = cnncli("evaluate", *arguments, "-f", "json")
    assert result.exit_code == code, result.stderr
    return json.loads(result.stdout)


def test_finetune_evaluate_predictions_and_report_agree(cnncli: Cnncli, data: Path, colours: Path) -> None:
    made = cnncli("finetune", data, "-m", colours, "--tune", "features", "-f", "json")
    assert made.exit_code == 0, made.stderr
    training = json.loads(made.stdout)
    actual = run(cnncli, data, "-m", "runs/shades", "-o", "results")
    assert actual["split"] == "val"
    assert actual["split_source"] == "split saved in runs/shades"
    assert actual["images"] == training["val"]["images"] == 12
    assert actual["top1"] == training["val"]["correct"] / 12
    assert actual["top1_interval"] == [training["val"]["low"], training["val"]["high"]]
    assert actual["loss"] == pytest.approx(training["val_loss"], rel=1e-5)
    rows, former = table(Path("results/predictions.csv")), table(Path("runs/shades/predictions.csv"))
    assert {row["path"]: (row["label"], row["predicted"]) for row in rows} == {
        row["path"]: (row["label"], row["predicted"]) for row in former
    }
    labels, predicted = ([row[what] for row in rows] for what in ("label", "predicted"))
    assert actual["top1"] == accuracy_score(labels, predicted)
    expected = precision_recall_fscore_support(labels, predicted, average="macro", zero_division=0)
    averages = [actual["macro"][what]["value"] for what in ("precision", "recall", "f1")]
    assert averages == pytest.approx(list(expected[:3]))
    for page in ("results/report.html", "runs/shades/report.html"):
        text = Path(page).read_text()
        assert f"<strong>{100 * actual['top1']:.1f}\u00a0%</strong>" in text
        low, high = actual["top1_interval"]
        assert f"{100 * low:.1f} to {100 * high:.1f}" in text
        assert f"<strong>{actual['loss']:.4f}</strong>" in text
        assert "http" not in text.replace("http://www.w3.org", "").replace("http://purl.org", "")
    assert json.loads(Path("results/evaluation.json").read_text()) == actual
    assert {file.name for file in Path("results").iterdir()} <= outputs._OWN_FILES


def test_the_splits_of_a_run_are_used(cnncli: Cnncli, data: Path, colours: Path) -> None:
    cnncli("finetune", data, "-m", colours, "--tune", "features", "-q")
    assert run(cnncli, data, "-m", "runs/shades", "--split", "train")["images"] == 48
    assert run(cnncli, data, "-m", "runs/shades", "--split", "all")["images"] == 60
    refused = cnncli("evaluate", data, "-m", "runs/shades", "--split", "test")
    assert refused.exit_code == 1
    assert "has no test split: it has val and train" in refused.stderr
    moved = data.rename(data.with_name("elsewhere"))  # the run still knows its images
    held = [row["path"] for row in table(Path("runs/shades/splits.csv")) if row["split"] == "val"]
    (moved / held[0]).unlink()
    Image.new("RGB", (9, 9), "red").save(moved / "warm" / "new.png")
    result = cnncli("evaluate", moved, "-m", "runs/shades", "-f", "json")
    assert json.loads(result.stdout)["images"] == 11
    assert "missing: 1 of the held-out images" in result.stderr
    assert "left out: 1 image that runs/shades neither trained on nor held out" in result.stderr


@pytest.mark.slow
def test_training_images_are_left_out(cnncli: Cnncli, data: Path, colours: Path) -> None:
    cnncli("finetune", data, "-m", colours, "--tune", "features", "-q")
    splits = {row["path"]: row["split"] for row in table(Path("runs/shades/splits.csv"))}
    learned = [path for path, split in splits.items() if split == "train"]
    for (
        path,
        split,
    ) in splits.items():  # the same images as a data set with splits of its own, one split of them misplaced
        target_file = Path("parted", "train" if split == "train" and path not in learned[:3] else "val", path)
        target_file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data / path, target_file)
    result = cnncli("evaluate", "parted", "-m", "runs/shades")
    assert "runs/shades trained on 3 of these 15 images" in result.stderr
    for folder in ("parted/train", "mixed"):  # a split on its own; a few known images among many others
        if folder == "mixed":
            shutil.copytree("parted/train", "mixed")
            for number in range(120):
                Image.new("RGB", (9, 9), (number, 90, 200)).save(Path("mixed", "cold", f"new{number}.png"))
        result = cnncli("evaluate", folder, "-m", "runs/shades", "-f", "json")
        if folder == "mixed":
            assert json.loads(result.stdout)["images"] == 120
            assert "left out: 45 images that runs/shades trained on" in result.stderr
        else:
            assert result.exit_code == 1
            assert "runs/shades trained on every image of parted/train that it knows" in result.stderr
    everything = cnncli("evaluate", "parted/train", "-m", "runs/shades", "--split", "all")
    assert everything.exit_code == 0
    assert "the model was trained on 45 of these images" in everything.stderr


@pytest.mark.slow
def test_other_images_with_the_same_names_are_not_recognised(
    cnncli: Cnncli, data: Path, colours: Path
) -> None:
    cnncli("finetune", data, "-m", colours, "--tune", "features", "-q")
    for file in data.rglob("*.png"):
        target_file = Path("others", file.relative_to(data))
        target_file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), "red").save(target_file)
    assert run(cnncli, "others", "-m", "runs/shades")["images"] == 60


@pytest.mark.slow
def test_images_of_the_same_names_and_sizes_are_told_apart(
    cnncli: Cnncli, data: Path, colours: Path, tmp_path: Path
) -> None:
    """BMPs of equal sizes: in train/ and test/ under the same names; and others under these names."""
    for number, file in enumerate(sorted(data.rglob("*.png"))):
        image: Image.Image = Image.open(file)
        split = "test" if int(file.stem) >= 14 else "train"
        name = f"{file.parent.name}/{int(file.stem) % 14}.bmp"
        for place in (tmp_path / "halves" / split / name, tmp_path / "others" / split / name):
            place.parent.mkdir(parents=True, exist_ok=True)
            image.save(place)
            image = Image.fromarray(np.asarray(image) ^ np.uint8(number + 1))
    made = cnncli("finetune", "halves", "-m", colours, "--tune", "features", "-f", "json")
    assert made.exit_code == 0, made.stderr
    found = run(cnncli, "halves", "-m", "runs/halves")
    assert (found["split"], found["images"]) == ("test", 18)
    assert found["top1"] == json.loads(made.stdout)["test"]["correct"] / 18
    others = run(cnncli, "others", "-m", "runs/halves", "--split", "all")
    assert others["images"] == 60
    assert not any("trained on" in remark for remark in others["remarks"])


def test_models_are_compared_on_images_that_both_can_read(
    cnncli: Cnncli, hues: Path, colours: Path, tiny: Path, tmp_path: Path
) -> None:
    """One resizes without regard to proportions, the other refuses what would become too long."""
    Image.new("RGB", (60_000, 2), "red").save(hues / "red" / "narrow.png")
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("red,tench\ngreen,goldfish\nblue,great white shark\n")
    for more in ([], ["--ensemble", "--subset"]):
        result = cnncli("evaluate", hues, "-m", colours, "-m", tiny, "--map", pairs, "-f", "json", *more)
        assert result.exit_code == 3, result.stderr
        actual = json.loads(result.stdout)
        for one in [actual] if more else [actual["new"], actual["old"]]:
            assert one["images"] == 7
            assert [item["path"] for item in one["unreadable"]] == ["red/narrow.png"]


def test_splits_of_the_data_folder_are_used(cnncli: Cnncli, hues: Path, colours: Path) -> None:
    whole = hues.rename(hues.with_name("whole"))
    shutil.copytree(whole, hues / "train")
    actual = run(cnncli, hues, "-m", colours)
    assert (actual["split"], actual["split_source"]) == ("all", "hues has no val or test split")
    shutil.copytree(whole / "red", hues / "val" / "red")
    assert run(cnncli, hues, "-m", colours)["split"] == "val"
    shutil.copytree(whole / "blue", hues / "test" / "blue")
    actual = run(cnncli, hues, "-m", colours)
    assert (actual["split"], actual["images"]) == ("test", 2)


def test_classes_without_images_are_said_to_be_left_out_of_the_mean(
    cnncli: Cnncli, hues: Path, colours: Path, tmp_path: Path
) -> None:
    remark = "mean of the 2 of 3 classes that have images"
    assert "classes that have images" not in cnncli("evaluate", hues, "-m", colours).stdout
    shutil.rmtree(hues / "green")
    result = cnncli("evaluate", hues, "-m", colours, "-o", tmp_path / "results")
    assert remark in result.stdout, result.stderr
    assert remark in (tmp_path / "results" / "report.html").read_text()
    assert f"macro F1: {remark}" in cnncli("evaluate", hues, "-m", colours, "-m", colours).stdout


def test_metrics_of_known_predictions(cnncli: Cnncli, hues: Path, colours: Path) -> None:
    """Of seven flat images one is lime in the folder of red ones."""
    actual = run(cnncli, hues, "-m", colours, "--threshold", 0.9)
    assert actual["top1"] == 6 / 7
    assert actual["confusion_matrix"] == [
        {"label": "red", "predicted": "red", "images": 2},
        {"label": "red", "predicted": "green", "images": 1},
        {"label": "green", "predicted": "green", "images": 2},
        {"label": "blue", "predicted": "blue", "images": 2},
    ]
    assert [item["path"] for item in actual["mistakes"]] == ["red/2.png"]
    assert actual["threshold"]["threshold"] == 0.9
    assert actual["threshold"]["images"] == sum(
        point["images"] for point in actual["coverage"] if point["threshold"] == 0.9
    )
    text = cnncli("evaluate", hues, "-m", colours, "--threshold", 0.9).stdout
    assert "top-1        85.7 % of 7 images correct" in text
    assert "most confident of 1 mistake" in text
    lines = cnncli("evaluate", hues, "-m", colours, "-f", "csv").stdout.splitlines()
    assert lines[0] == "kind,name,precision,recall,f1,support,predicted"
    assert lines[3] == "class,blue,1.000000,1.000000,1.000000,2,2"
    assert lines[4].startswith("average,macro,")


def test_unreadable_images_are_listed(cnncli: Cnncli, hues: Path, colours: Path) -> None:
    (hues / "red" / "broken.png").write_bytes(b"nothing")
    actual = run(cnncli, hues, "-m", colours, "-o", hues.parent / "results", code=3)
    assert actual["images"] == 7
    assert [Path(item["path"]).name for item in actual["unreadable"]] == ["broken.png"]
    assert "red/broken.png" in (hues.parent / "results" / "unreadable.csv").read_text()
    for file in hues.rglob("*.png"):
        file.write_bytes(b"nothing")
    refused = cnncli("evaluate", hues, "-m", colours)
    assert refused.exit_code == 1
    assert "no image of hues (all) can be read" in refused.stderr


@pytest.mark.slow
def test_two_models_are_compared(cnncli: Cnncli, data: Path, colours: Path) -> None:
    for name in ("svm", "centroid"):
        cnncli("finetune", data, "-m", colours, "--tune", "features", "--classifier", name, "-o", name, "-q")
    actual = run(cnncli, data, "-m", "svm", "-m", "centroid", "-o", "results")
    alone = [run(cnncli, data, "-m", name) for name in ("svm", "centroid")]
    assert [actual["new"]["top1"], actual["old"]["top1"]] == [one["top1"] for one in alone]
    assert actual["difference"]["value"] == pytest.approx(alone[0]["top1"] - alone[1]["top1"])
    new, old = (
        {row["path"]: row["label"] == row["predicted"] for row in table(Path("results", name))}
        for name in ("predictions.csv", "predictions_old.csv")
    )
    assert {item["path"] for item in actual["gained"]} == {
        path for path in new if new[path] and not old[path]
    }
    assert {item["path"] for item in actual["lost"]} == {path for path in new if old[path] and not new[path]}
    assert (
        actual["both_correct"] + actual["neither_correct"] + len(actual["gained"]) + len(actual["lost"]) == 12
    )
    assert "Only centroid is correct" in Path("results/report.html").read_text()
    text = cnncli("evaluate", data, "-m", "svm", "-m", "centroid").stdout
    assert "McNemar" in text
    assert "top-5" not in text  # of three classes all are among the first five
    assert f"only svm is correct: {len(actual['gained'])} image" in text
    assert (
        "threshold    svm 0.5: coverage"
        in cnncli("evaluate", data, "-m", "svm", "-m", "centroid", "--threshold", 0.5).stdout
    )
    assert cnncli("evaluate", data, "-m", "svm", "-m", "centroid", "-m", "svm").exit_code == 2


@pytest.mark.slow
def test_ensemble_and_tta_average_probabilities(cnncli: Cnncli, data: Path, colours: Path) -> None:
    for name in ("svm", "centroid"):
        cnncli("finetune", data, "-m", colours, "--tune", "features", "--classifier", name, "-o", name, "-q")
    run(cnncli, data, "-m", "svm", "-o", "a")
    run(cnncli, data, "-m", "centroid", "-o", "b")
    run(cnncli, data, "-m", "svm", "-m", "centroid", "--ensemble", "-o", "both")
    one, other, both = (
        {row["path"]: float(row["label_probability"]) for row in table(Path(name, "predictions.csv"))}
        for name in ("a", "b", "both")
    )
    for path, probability in both.items():
        assert probability == pytest.approx((one[path] + other[path]) / 2, abs=2e-6)
    assert cnncli("evaluate", data, "-m", "svm", "--ensemble").exit_code == 2
    assert run(cnncli, data, "-m", "svm", "--tta")["loss"] == pytest.approx(
        run(cnncli, data, "-m", "svm")["loss"], rel=0.01
    )


def test_bad_input_is_one_line_and_leaves_nothing(
    cnncli: Cnncli, hues: Path, colours: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    refused: list[tuple[list[object], int, str]] = [
        ([tmp_path / "empty", "-m", colours], 1, "no labelled images in"),
        ([tmp_path / "nowhere", "-m", colours], 1, "does not exist"),
        ([hues, "-m", colours, "--overwrite"], 2, "--overwrite needs --output"),
        ([hues, "-m", colours, "-o", tmp_path / "full"], 1, "contains other files, e.g. letter.txt"),
        ([hues, "-m", colours, "-o", hues / "red" / "0.png"], 1, "is a file"),
        ([hues, "-m", colours, "-o", hues / "results"], 1, "is inside the data folder"),
        ([hues, "-m", colours, "--map", tmp_path / "none.csv"], 2, "cannot read --map"),
        ([hues, "-m", colours, "--threshold", 2], 2, "threshold"),
        ([hues, "-m", colours, "--threshold", 0.5, "-f", "csv"], 2, "--threshold has no effect with -f csv"),
    ]
    for arguments, code, words in refused:
        result = cnncli("evaluate", *arguments)
        assert (result.exit_code, words in result.stderr) == (code, True), (arguments, result.stderr)
        assert result.stderr.count("error: ") == 1
        assert result.stdout == ""
    (hues / "red").rename(hues / "crimson")
    result = cnncli("evaluate", hues, "-m", colours)
    assert result.exit_code == 1
    assert "colours does not have 1 of the classes: 'crimson'" in result.stderr
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("crimson,red\n")
    assert run(cnncli, hues, "-m", colours, "--map", pairs)["top1"] == 6 / 7


def test_data_with_a_single_class(cnncli: Cnncli, hues: Path, colours: Path) -> None:
    for name in ("green", "blue"):
        shutil.rmtree(hues / name)
    assert run(cnncli, hues, "-m", colours)["top1"] == 2 / 3
    assert run(cnncli, hues, "-m", colours, "--subset")["top1"] == 1


def test_an_earlier_evaluation_is_replaced_when_asked(
    cnncli: Cnncli, hues: Path, colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(hues.parent)
    results = hues.parent / "results"
    run(cnncli, hues, "-m", colours, "-o", results)
    before = (results / "evaluation.json").read_bytes()
    again = cnncli("evaluate", hues, "-m", colours, "-o", "results")
    assert (again.exit_code, "error: results already exists" in again.stderr) == (1, True)
    (hues / "red" / "2.png").unlink()
    replaced = cnncli("evaluate", hues, "-m", colours, "-o", "results", "--overwrite")
    assert "saved results/report.html" in replaced.stderr.splitlines()  # the folder as it was named
    assert (results / "evaluation.json").read_bytes() != before
    assert [file for file in os.listdir(results.parent) if file.endswith(".draft")] == []


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_folder_that_appears_meanwhile_is_kept(
    cnncli: Cnncli, hues: Path, colours: Path, monkeypatch: pytest.MonkeyPatch, *, overwrite: bool
) -> None:
    notes = hues.parent / "how" / "notes.txt"

    def report_page(*_: object) -> bytes:
        notes.parent.mkdir()
        notes.write_text("precious")
        return b""

    monkeypatch.setattr("cnncli.evaluation.output.report_page", report_page)
    words = ["evaluate", hues, "-m", colours, "-o", notes.parent] + ["--overwrite"] * overwrite
    result = cnncli(*words)
    assert result.exit_code == 1
    assert ("contains other files" if overwrite else "appeared while this command") in result.stderr
    assert notes.read_text() == "precious"
    assert os.listdir(notes.parent) == ["notes.txt"]
    assert [name for name in os.listdir(hues.parent) if name.startswith(".")] == []


def test_results_are_printed_even_if_the_disk_is_full(
    cnncli: Cnncli, hues: Path, colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cnncli.evaluation.reporting.report_html", full)
    result = cnncli("evaluate", hues, "-m", colours, "-o", hues.parent / "results", "-f", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["top1"] == 6 / 7
    assert "No space left on device" in result.stderr
    assert not (hues.parent / "results").exists()


def test_an_output_folder_without_permission_is_an_error(unprivileged: Path) -> None:
    unprivileged.chmod(0o555)
    with pytest.raises(OutputError, match=r"cannot write to .*: Permission denied"):
        outputs.require_output_folder(unprivileged / "results", overwrite=False)


@pytest.mark.slow
def test_torch_is_not_imported(imports: Imports, hues: Path, colours: Path) -> None:
    result, seen = imports("evaluate", hues, "-m", colours)
    assert result.returncode == 0, result.stderr
    assert not seen & {"torch", "torchvision", "timm"}


@pytest.mark.slow
@pytest.mark.shared
def test_the_reference_is_reproduced(cnncli: Cnncli, shared: Path, squeezenet: Path) -> None:
    """69 and 85 of 100."""
    index = shared / "data" / "imagenet-samples" / "index.tsv"
    actual = run(cnncli, index, "--path-column", "file", "--label-column", "class_index", "-m", squeezenet)
    assert (actual["top1"], actual["top5"], actual["images"]) == (0.69, 0.85, 100)


@pytest.mark.slow
@pytest.mark.shared
def test_the_reference_by_wordnet_identifiers(
    cnncli: Cnncli, shared: Path, squeezenet: Path, tmp_path: Path
) -> None:
    index = shared / "data" / "imagenet-samples" / "index.tsv"
    actual = run(cnncli, index, "--path-column", "file", "--label-column", "wnid", "-m", squeezenet)
    assert (actual["top1"], actual["top5"], actual["images"]) == (0.69, 0.85, 100)
    for photograph in index.parent.glob("*.JPEG"):
        folder = tmp_path / "by-wnid" / photograph.name.partition("_")[0]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / photograph.name).symlink_to(photograph)
    actual = run(cnncli, tmp_path / "by-wnid", "-m", squeezenet)
    assert (actual["top1"], actual["top5"]) == (0.69, 0.85)
    subset = run(cnncli, tmp_path / "by-wnid", "-m", squeezenet, "--subset")
    assert subset["top1"] > 0.8


@pytest.mark.slow
@pytest.mark.shared
def test_a_renamed_class_folder_is_recognised(
    cnncli: Cnncli, shared: Path, squeezenet: Path, tmp_path: Path
) -> None:
    for name in ("ants", "bees"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for file in sorted((shared / "data" / "ants_bees" / "train" / name).iterdir())[:15]:
            shutil.copy(file, tmp_path / "photos" / name)
    run_folder = tmp_path / "run"
    cnncli("finetune", tmp_path / "photos", "-m", squeezenet, "--tune", "features", "-o", run_folder, "-q")
    (tmp_path / "photos" / "bees").rename(tmp_path / "photos" / "Bienen")
    held = [row["path"] for row in table(run_folder / "splits.csv") if row["split"] == "val"]
    (tmp_path / "photos" / next(path for path in held if path.startswith("ants"))).unlink()
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("Bienen,bees\n")
    actual = run(cnncli, tmp_path / "photos", "-m", run_folder, "--map", pairs)
    assert (actual["split"], actual["images"]) == ("val", 5)
    (gone,) = (remark for remark in actual["remarks"] if "missing: " in remark)
    assert gone.startswith("missing: 1 of the held-out images, e.g. ants")
    exported = tmp_path / "net.onnx"
    assert cnncli("export", run_folder, "-o", exported).exit_code == 0
    result = cnncli("evaluate", tmp_path / "photos", "-m", exported, "--map", pairs)
    assert "has no record of its training images" in result.stderr
