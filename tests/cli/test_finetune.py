"""`cnncli finetune --tune features`: from a labelled folder to a model folder that predict uses."""

import contextlib
import csv
import inspect
import io
import json
import os
import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors import SafetensorError

from cnncli.cli.finetune import finetune
from cnncli.engines.select import open_engine
from cnncli.errors import OutputError
from cnncli.images.loader import ImageReader
from cnncli.images.local_file import LocalFile
from cnncli.networks.model_folder import open_folder, verify
from cnncli.records.engines import EngineName, EngineOptions
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import NullProgress
from cnncli.training import options
from cnncli.training.run_folder import choose_run_folder, draft_run, install_run
from tests.conftest import Cnncli, Imports

KINDS = {"warm": (230, 90, 40), "cold": (40, 90, 230), "green": (60, 200, 80)}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three classes of ten images that differ in their mean colour; the working directory is where runs go."""
    rng = np.random.default_rng(0)
    for name, colour in KINDS.items():
        for number in range(10):
            pixels = np.clip(np.array(colour) + rng.normal(0, 40, (12, 16, 3)), 0, 255).astype(np.uint8)
            file = tmp_path / "shades" / name / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(file)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "shades"


def table(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.read_text(errors="surrogateescape"))))


def run(cnncli: Cnncli, *arguments: object) -> Any:
    result = cnncli("finetune", "--tune", "features", *arguments, "-f", "json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("classifier", ["logistic", "svm", "knn", "centroid", "auto"])
def test_a_run_is_a_model_folder_whose_predictions_match_its_table(
    cnncli: Cnncli, data: Path, colours: Path, classifier: str
) -> None:
    output = run(cnncli, data, "-m", colours, "--classifier", classifier)
    assert output["folder"] == "runs/shades"
    assert output["images"] == {"train": 24, "val": 6, "test": 0}
    assert output["classifier"]["val"]["correct"] == 6
    folder = open_folder(Path("runs/shades"))
    verify(folder)
    assert folder.card.class_names == ("cold", "green", "warm")
    assert {metric.name for metric in folder.card.metrics} == {"train_top1", "val_top1"}
    rows = {row["path"]: row for row in table(Path("runs/shades/predictions.csv"))}
    assert len(rows) == 6
    answers = cnncli("predict", *(data / path for path in rows), "-m", "runs/shades", "-f", "jsonl", "-k", 3)
    for line in answers.stdout.splitlines():
        answer = json.loads(line)
        row = rows[os.path.relpath(answer["path"], data)]
        by_label = {item["label"]: item["probability"] for item in answer["predictions"]}
        assert row["predicted"] == answer["predictions"][0]["label"]
        assert float(row["probability"]) == pytest.approx(by_label[row["predicted"]], abs=1e-4)
        assert float(row["label_probability"]) == pytest.approx(by_label[row["label"]], abs=1e-4)


def test_a_run_keeps_settings_splits_and_classifiers(cnncli: Cnncli, data: Path, colours: Path) -> None:
    run(cnncli, data, "-m", colours, "--seed", 3)
    files = {file.name for file in Path("runs/shades").iterdir()}
    assert files == {
        *("card.json", "model.onnx", "model.safetensors", "training_features.safetensors", "settings.toml"),
        *("splits.csv", "predictions.csv", "classifiers.csv", "confusion_matrix.png", "report.html"),
    }
    splits = table(Path("runs/shades/splits.csv"))
    assert len(splits) == 30
    assert {row["path"] for row in splits if row["split"] == "val"} == {
        row["path"] for row in table(Path("runs/shades/predictions.csv"))
    }
    settings = tomllib.loads(Path("runs/shades/settings.toml").read_text())
    assert settings["seed"] == 3
    assert settings["provenance"]["base_model"] == "colours"
    assert len(settings["provenance"]["data_digest"]) == 64
    with Image.open("runs/shades/confusion_matrix.png") as picture:
        assert picture.width > 200
    assert [row["classifier"] for row in table(Path("runs/shades/classifiers.csv"))] == [
        "logistic",
        "svm",
        "centroid",
        "knn",
    ]


def test_a_run_is_kept_whose_pictures_and_report_cannot_be_drawn(
    cnncli: Cnncli, data: Path, colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise ValueError("no font\nat all")

    monkeypatch.setattr("cnncli.render.confusion.confusion_png", fail)
    monkeypatch.setattr("cnncli.evaluation.reporting.report_html", fail)
    result = cnncli("finetune", data, "-m", colours, "--tune", "features", "-o", "run")
    assert result.exit_code == 0
    for name in ("confusion_matrix.png", "report.html"):
        assert f"warning: {name} was not written: no font\n" in result.stderr
        assert not Path("run", name).exists()
    assert "\nreport:" not in result.stderr
    assert [file.name for file in Path("run").iterdir() if file.name.startswith(".")] == []
    verify(open_folder(Path("run")))


def test_a_full_disk_is_one_line(
    cnncli: Cnncli, data: Path, colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("cnncli.training.features.replace_head.save_file", full)
    result = cnncli("finetune", data, "-m", colours, "--tune", "features", "-o", "run")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-2:] == [
        "error: cannot write a run to run: No space left on device",
        "hint: free some space, or choose another folder with --output",
    ]
    assert not Path("run").exists()


@pytest.mark.slow
def test_recorded_settings_reproduce_the_network(cnncli: Cnncli, data: Path, colours: Path) -> None:
    run(cnncli, data, "-m", colours, "--classifier", "svm", "--val-split", 0.3, "--augment-features", 2)
    run(cnncli, "-c", "runs/shades/settings.toml", "-o", "again")
    for name in ("model.onnx", "model.safetensors", "splits.csv", "predictions.csv"):
        assert Path("again", name).read_bytes() == Path("runs/shades", name).read_bytes()
    output = run(cnncli, "-c", "runs/shades/settings.toml", "--classifier", "knn", "-o", "other")
    assert output["classifier"]["name"] == "knn"
    list_again = run(cnncli, "runs/shades/splits.csv", "--root", data, "-m", colours, "-o", "listed")
    assert list_again["images"] == {"train": 21, "val": 9, "test": 0}


@pytest.mark.slow
def test_a_second_run_takes_a_free_name_and_reuses_embeddings(
    cnncli: Cnncli, data: Path, colours: Path, imports: Imports
) -> None:
    run(cnncli, data, "-m", colours, "--classifier", "centroid")
    assert run(cnncli, data, "-m", colours, "--classifier", "centroid")["folder"] == "runs/shades-2"
    result, packages = imports(
        "finetune", "--tune", "features", data, "-m", colours, "-q", "--classifier", "centroid"
    )
    assert result.returncode == 0, result.stderr
    assert Path("runs/shades-3").is_dir()
    assert not packages & {"torch", "timm", "torchvision"}


def test_a_test_split_is_scored_once(cnncli: Cnncli, data: Path, colours: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "split" / "train")
    shutil.copytree(data, tmp_path / "split" / "test")
    output = run(cnncli, tmp_path / "split", "-m", colours)
    assert output["images"] == {"train": 24, "val": 6, "test": 30}
    assert output["test"]["images"] == 30
    assert {row["split"] for row in table(Path("runs/split/predictions.csv"))} == {"val", "test"}


@pytest.mark.slow
@pytest.mark.parametrize("model", ["tiny", "squeezenet"])
def test_torch_can_use_a_linear_classifier(
    cnncli: Cnncli, data: Path, model: str, request: pytest.FixtureRequest
) -> None:
    """Where the last layer gives the logits it is replaced; SqueezeNet has a ReLU behind its own."""
    base = request.getfixturevalue(model)
    run(cnncli, data, "-m", base, "--classifier", "logistic", "-o", "run")
    folder = open_folder(Path("run"))
    assert (folder.card.architecture.head is None) == (model == "tiny")
    read = ImageReader(folder.card.preprocessing, 10**6)
    images = [read(LocalFile(str(file))) for file in sorted(data.rglob("*.png"))[:4]]
    pixels = np.stack([image for image in images if not isinstance(image, Unreadable)])
    layers = json.loads(cnncli("summary", "run", "-f", "json").stdout)["layers"]
    assert layers[-1]["type"] == "Linear"
    assert layers[-1]["output"] == [[1, 3]]
    assert sum(layer["parameters"] for layer in layers if not layer["call"]) == 0
    onnx, torch = (
        open_engine(folder, EngineOptions(engine), NullProgress()).run(pixels)
        for engine in (EngineName.ONNX, EngineName.TORCH)
    )
    assert np.allclose(onnx.logits, torch.logits, atol=1e-3 * np.ptp(onnx.logits))
    assert np.allclose(onnx.embeddings, torch.embeddings, atol=1e-3 * np.ptp(onnx.embeddings))
    run(cnncli, data, "-m", "run", "--classifier", "svm", "-o", "further")
    further = open_folder(Path("further"))
    assert open_engine(further, EngineOptions(EngineName.TORCH), NullProgress()).run(pixels).logits.shape == (
        4,
        3,
    )


def test_nearest_neighbours_are_in_the_onnx_graph_only(cnncli: Cnncli, data: Path, colours: Path) -> None:
    run(cnncli, data, "-m", colours, "--classifier", "knn", "-o", "knn")
    on_torch = cnncli("predict", data, "-m", "knn", "--engine", "torch")
    assert on_torch.exit_code == 2
    assert "a nearest-neighbour classifier runs on ONNX Runtime only" in on_torch.stderr
    further = cnncli("finetune", "--tune", "features", data, "-m", "knn")
    assert further.exit_code == 2
    assert "cannot be trained further" in further.stderr
    inside = cnncli("maps", next(data.rglob("*.png")), "-m", "knn", "-o", "maps.png")
    assert (inside.exit_code, "cannot be inspected or trained by torch" in inside.stderr) == (2, True)


def test_unreadable_images_are_left_out_and_listed(cnncli: Cnncli, data: Path, colours: Path) -> None:
    (data / "warm" / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    result = cnncli("finetune", "--tune", "features", data, "-m", colours)
    assert result.exit_code == 3
    assert "broken.jpg is left out: " in result.stderr
    (row,) = table(Path("runs/shades/unreadable.csv"))
    assert row["path"] == "warm/broken.jpg"
    assert "broken.jpg" not in Path("runs/shades/splits.csv").read_text()


def test_text_output(cnncli: Cnncli, data: Path, colours: Path) -> None:
    result = cnncli("finetune", "--tune", "features", data, "-m", colours)
    first, second, third = result.stderr.splitlines()[:3]
    assert second == "shades: 3 classes, 30 images (24 train, 6 val)"
    assert third == "classes: 0 cold, 1 green, 2 warm"
    assert first == f"starting from {colours}, which stays as it is"
    assert "val         100.0 % of 6 images correct (95 % CI 61.0 to 100.0)" in result.stdout
    assert "run         runs/shades" in result.stdout
    assert "cnncli predict -m runs/shades IMAGE" in result.stderr


@pytest.mark.slow
def test_unusual_class_names(cnncli: Cnncli, data: Path, colours: Path, tmp_path: Path) -> None:
    labels = ['a, "b"', "tab\tstop", "sl/ash"]
    rows = [
        (str(file.relative_to(data)), labels[index])
        for index, name in enumerate(KINDS)
        for file in sorted((data / name).iterdir())
    ]
    with (tmp_path / "list.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("path", "label"), *rows])
    output = run(cnncli, tmp_path / "list.csv", "--root", data, "-m", colours, "-o", "odd")
    assert output["class_names"] == sorted(labels)
    assert {row["label"] for row in table(Path("odd/splits.csv"))} == set(labels)
    answer = cnncli("predict", data / "warm" / "0.png", "-m", "odd").stdout
    assert answer.split("\t")[1] == 'a, "b"'


@pytest.mark.slow
def test_a_thousand_classes_with_two_images_each(
    cnncli: Cnncli, colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for label in range(1000):
        for number in range(2):
            file = tmp_path / "many" / f"c{label:04}" / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 4), (label % 256, label // 4, number)).save(file)
    output = run(cnncli, tmp_path / "many", "-m", colours)
    assert output["images"] == {"train": 1000, "val": 1000, "test": 0}
    assert [score["name"] for score in output["classifiers"]] == ["logistic", "centroid", "knn"]
    assert len(open_folder(Path("runs/many")).card.class_names) == 1000


def test_errors_come_before_any_work(cnncli: Cnncli, data: Path, colours: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "precious.jpg").write_text("mine")
    run(cnncli, data, "-m", colours, "-o", "taken")
    before = Path("taken/card.json").read_bytes()
    single = tmp_path / "single"
    shutil.copytree(data / "warm", single / "warm")
    cases: list[tuple[list[object], int, str]] = [
        ([data, "-m", colours, "-o", "taken"], 1, "taken already exists"),
        ([data, "-m", colours, "--overwrite"], 2, "--overwrite needs --output"),
        ([data, "-m", colours, "--root", "x"], 2, "--root: "),
        (
            [data, "-m", colours, "--class-weights", "balanced", "--classifier", "centroid"],
            2,
            "no effect on centroids",
        ),
        ([data, "-m", colours, "--device", "cuda:9"], 2, "there is no device cuda:9"),
        ([data, "-m", colours, "-o", "photos", "--overwrite"], 1, "is not a run of cnncli"),
        ([single, "-m", colours], 1, "has only one class, 'warm'"),
        ([colours, "-m", colours], 2, "is a model folder, not labelled images"),
        ([data, "-m", str(data)], 1, "is not a model folder: it has no card.json"),
        ([data, "-m", colours, "--val-split", "1.5"], 2, "--val-split must be between 0 and 1"),
        ([data, "-m", colours, "--tune", "everything"], 2, "unknown --tune value 'everything'"),
        ([tmp_path / "nowhere", "-m", colours], 1, "does not exist"),
        ([data, "-m", colours, "--layer", "conv9"], 2, "no layer is called 'conv9'"),
        ([data, "-m", colours, "--folds", "11"], 1, "'cold' of " + str(data) + " has only 10 images"),
        ([data, "-m", colours, "--folds", "1"], 2, "--folds must be between 2 and 100"),
        ([data, "-m", colours, "--group-by", "nothing"], 1, "is found in no path"),
        ([data, "-m", colours, "-c", "nowhere.toml"], 2, "cannot read the settings nowhere.toml"),
    ]
    for arguments, code, complaint in cases:
        result = cnncli("finetune", "--tune", "features", *arguments)
        assert (result.exit_code, complaint in result.stderr) == (code, True), (arguments, result.stderr)
    assert Path("taken/card.json").read_bytes() == before
    assert (tmp_path / "photos" / "precious.jpg").read_text() == "mine"
    assert (
        run(cnncli, data, "-m", colours, "-o", "taken", "--overwrite", "--classifier", "knn")["folder"]
        == "taken"
    )
    assert Path("taken/card.json").read_bytes() != before
    Path("taken/notes.txt").write_text("mine, too")
    refused = cnncli("finetune", "--tune", "features", data, "-m", colours, "-o", "taken", "--overwrite")
    assert (refused.exit_code, "holds more than a run: notes.txt" in refused.stderr) == (1, True)
    assert not [name for name in os.listdir() if name.startswith(".")]


def test_invalid_settings_files(cnncli: Cnncli, data: Path, colours: Path, tmp_path: Path) -> None:
    for content, complaint in [
        ("seed = ", "are not TOML"),
        ("speed = 3", "have 'speed', which finetune does not have"),
        (f"seed = {2**32}", "4294967296 is not between 0 and 4294967295"),
        ("val_split = 'half'", "'half' is not a number"),
        ("format = 'json'\nclassifier = 'tree'", "'tree' is not one of"),
    ]:
        (tmp_path / "s.toml").write_text(content)
        result = cnncli("finetune", "--tune", "features", data, "-m", colours, "-c", tmp_path / "s.toml")
        assert (result.exit_code, complaint in result.stderr) == (2, True), result.stderr


@pytest.fixture
def open_colours(colours: Path) -> Iterator[Path]:
    """A copy of the model folder that every user may read."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(shutil.copytree(colours, Path(folder, "colours")))


@pytest.mark.skipif(os.name != "posix", reason="needs permissions")
def test_an_output_folder_that_cannot_be_written(
    open_colours: Path, unprivileged: Path, cnncli: Cnncli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNCLI_HOME", str(unprivileged / "home"))
    for name, colour in KINDS.items():
        for number in range(3):
            file = unprivileged / "data" / name / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 4), colour).save(file)
    (unprivileged / "closed").mkdir()
    (unprivileged / "closed").chmod(0o500)
    result = cnncli(
        "finetune",
        "--tune",
        "features",
        unprivileged / "data",
        "-m",
        open_colours,
        "-o",
        unprivileged / "closed" / "run",
    )
    assert result.exit_code == 1
    assert "cannot write a run to" in result.stderr


@pytest.mark.slow
def test_runs_inside_the_data_are_not_a_class(
    cnncli: Cnncli, data: Path, colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data)
    for _ in range(2):
        output = run(cnncli, ".", "-m", colours, "--classifier", "centroid")
        assert output["class_names"] == ["cold", "green", "warm"]
    assert output["folder"] == "runs/shades-2"


def test_two_runs_that_begin_at_once_have_two_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with contextlib.ExitStack() as locks:
        first, second = (choose_run_folder(None, "shades", overwrite=False, locks=locks) for _ in range(2))
        assert (first.path, second.path) == (Path("runs/shades"), Path("runs/shades-2"))
        for overwrite in (False, True):
            with pytest.raises(OutputError, match="another process is writing runs/shades"):
                choose_run_folder(first.path, "shades", overwrite=overwrite, locks=locks)
    assert os.listdir("runs") == []
    with contextlib.ExitStack() as locks:
        assert choose_run_folder(None, "shades", overwrite=False, locks=locks).path == first.path


def test_a_folder_created_meanwhile_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever created it, it did not look at the lock."""
    monkeypatch.chdir(tmp_path)
    with contextlib.ExitStack() as locks:
        target = choose_run_folder(None, "shades", overwrite=False, locks=locks)
        requested = choose_run_folder(Path("runs/mine"), "shades", overwrite=False, locks=locks)
        for path in (target.path, requested.path):
            path.mkdir()
            (path / "notes.txt").write_text("precious")
        with draft_run(target) as draft:
            (draft / "card.json").touch()
            assert install_run(draft, target) == Path("runs/shades-2")
        with pytest.raises(OutputError, match="cannot write the run to"), draft_run(requested) as draft:
            (draft / "card.json").touch()
            install_run(draft, requested)
    assert Path("runs/mine/notes.txt").read_text() == Path("runs/shades/notes.txt").read_text() == "precious"
    assert sorted(os.listdir("runs")) == ["mine", "shades", "shades-2"]


def test_what_is_put_into_a_run_while_another_replaces_it_is_kept(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "card.json").touch()
    with contextlib.ExitStack() as locks:
        target = choose_run_folder(run, "shades", overwrite=True, locks=locks)
        (run / "notes.txt").write_text("precious")
        with (
            pytest.raises(OutputError, match=r"holds more than a run: notes\.txt"),
            draft_run(target) as draft,
        ):
            install_run(draft, target)
    assert (run / "notes.txt").read_text() == "precious"
    assert sorted(os.listdir(tmp_path)) == ["run"]


def test_recorded_settings_are_options_of_the_command(cnncli: Cnncli, data: Path, colours: Path) -> None:
    """What a run records is what `--config` takes, and what the command offers is recorded."""
    run(cnncli, data, "-m", colours, "--classifier", "centroid")
    recorded = set(tomllib.loads(Path("runs/shades/settings.toml").read_text())) - {
        "schema",
        "provenance",
        "versions",
    }
    offered = set(inspect.signature(finetune).parameters)
    not_recorded = {
        "context",
        "config",
        "format_",
        "offline",
        "output",
        "overwrite",
        "quiet",
        "resume",
        "preview",
    }
    unset = {"weights", "img_size", "layer", "root", "image_column", "batch_size", "workers", "recipe"}
    unset |= {"group_column", "group_by", "folds", "track"}
    unset |= {"multi_label", "label_separator", "indicator_columns", "task_weight", *options.declarations()}
    assert recorded | unset == offered - not_recorded


def test_groups_stay_together_in_splits_and_folds(cnncli: Cnncli, data: Path, colours: Path) -> None:
    options = ("--classifier", "centroid", "--group-by", "/([0-9])", "--folds", 3)
    result = run(cnncli, data, "-m", colours, *options)
    splits = table(Path(result["folder"], "splits.csv"))
    names = [
        {Path(row["path"]).stem for row in splits if row["split"] == split} for split in ("train", "val")
    ]
    assert names[0].isdisjoint(names[1])
    folds = table(Path(result["folder"], "folds.csv"))
    assert [int(row["images"]) for row in folds] == [fold["images"] for fold in result["folds"]]
    assert sum(int(row["images"]) for row in folds) == 30
    assert all(
        abs(float(row["score"]) - fold["score"]) < 1e-4
        for row, fold in zip(folds, result["folds"], strict=True)
    )
    again = cnncli("finetune", "--config", Path(result["folder"], "settings.toml"), "-o", "again")
    assert "3 folds     accuracy " in again.stdout, again.stderr
    assert "3 folds, in which each image is held out once: accuracy " in Path("again/report.html").read_text()
    assert table(Path("again/splits.csv")) == splits


def test_the_score_in_cross_validation_has_its_name(cnncli: Cnncli, data: Path, colours: Path) -> None:
    """With class weights, all classes count alike in it."""
    weighted = cnncli(
        "finetune", data, "-m", colours, "--tune", "features", "--class-weights", "balanced", "--folds", 3
    )
    assert "cross-validation (balanced)" in weighted.stdout, weighted.stderr
    scores = r"balanced accuracy [\d.]+ ± [\d.]+ % \(standard deviation; [\d.]+ to [\d.]+\)"
    line = re.search(rf"^3 folds     {scores}$", weighted.stdout, re.MULTILINE)
    assert line
    assert len(line.group()) <= 80
    (report,) = Path("runs").glob("*/report.html")
    assert "cross-validation (balanced)" in report.read_text()
    assert "held out once: balanced accuracy " in report.read_text()


def test_the_report_names_small_classes(cnncli: Cnncli, data: Path, colours: Path) -> None:
    """By their readable images: four or five are for training, of which three cannot be read."""
    for number in range(4):
        (data / "warm" / f"{number}.png").unlink()
    for number in range(4, 7):
        (data / "warm" / f"{number}.png").write_bytes(b"no image")
    few = "1 of 3 classes have fewer than 5 training images: <"
    chosen = ("--tune", "features", "--class-weights", "balanced", "-o", "trained")
    assert cnncli("finetune", data, "-m", colours, *chosen).exit_code == 3
    page = Path("trained", "report.html").read_text()
    assert few in page
    assert re.search("warm: [123]<", page)
    assert "consider --class-weights" not in page
    assert cnncli("evaluate", data, "-m", "trained", "-o", "evaluated").exit_code in {0, 3}
    assert few not in Path("evaluated", "report.html").read_text()


def test_duplicates_across_splits_are_reported(cnncli: Cnncli, data: Path, colours: Path) -> None:
    for file in sorted((data / "warm").iterdir()):
        shutil.copy(file, file.with_name(f"copy of {file.name}"))
    result = cnncli("finetune", "--tune", "features", data, "-m", colours, "--classifier", "centroid")
    assert "in both train and val" in result.stderr
    assert cnncli("check", data).exit_code == 3


@pytest.mark.skipif(os.name != "posix", reason="names are Unicode elsewhere")
def test_class_names_that_are_not_utf8(cnncli: Cnncli, data: Path, colours: Path) -> None:
    os.rename(os.fsencode(data / "warm"), os.fsencode(data) + b"/caf\xe9")
    output = run(cnncli, data, "-m", colours, "--classifier", "centroid")
    assert output["class_names"] == ["caf%E9", "cold", "green"]
    assert any(row["path"].startswith("caf%E9/") for row in table(Path("runs/shades/splits.csv")))


@pytest.mark.slow
def test_config_takes_precedence_over_the_environment(
    cnncli: Cnncli, data: Path, colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(cnncli, data.name, "-m", colours, "--classifier", "centroid", "-o", "first")
    monkeypatch.setenv("CNNCLI_MODEL", "./nowhere")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert run(cnncli, "-c", tmp_path / "first" / "settings.toml")["model"] == "colours"


@pytest.mark.slow
def test_cached_embeddings_respect_max_pixels(cnncli: Cnncli, data: Path, colours: Path) -> None:
    run(cnncli, data, "-m", colours)
    result = cnncli("finetune", "--tune", "features", data, "-m", colours, "--max-pixels", 10)
    assert result.exit_code == 1
    assert "more than the limit of 10" in result.stderr


def test_data_errors_come_before_the_network(cnncli: Cnncli, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = cnncli("finetune", tmp_path / "empty")
    assert result.exit_code == 1
    assert "no labelled images" in result.stderr
    assert "starting from" not in result.stderr
