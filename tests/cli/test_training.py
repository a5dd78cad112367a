"""`cnncli finetune` where the network itself learns: as a user types it."""

import dataclasses
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from cnncli.errors import TrainingStopped
from cnncli.networks.model_folder import open_folder, verify
from cnncli.training.features import fit
from cnncli.training.manifest import load_manifest
from cnncli.training.network.loop import Loop
from cnncli.training.network.validation import ValidationResult
from tests.conftest import Cnncli, Program, press_ctrl_c

NET = "input 3x12x12; activation: relu; conv3-6; maxpool 2/2; FC-3"
QUICK = ("--epochs", 2, "-b", 8, "--amp", "off", "--layout", "nchw")


@pytest.fixture
def tiny(tiny_64: Path) -> Path:
    return tiny_64


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 5), ("test", 3)):
        for name, colour in {"warm": (230, 90, 40), "cold": (40, 90, 230), "green": (60, 200, 80)}.items():
            for number in range(count):
                pixels = np.clip(np.array(colour) + rng.normal(0, 40, (16, 16, 3)), 0, 255).astype(np.uint8)
                file = tmp_path / "shades" / split / name / f"{number}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(file)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "shades"


def run(cnncli: Cnncli, *arguments: object) -> Any:
    result = cnncli("finetune", *arguments, "-f", "json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_scratch_gives_a_model_folder_whose_predictions_match_the_result(cnncli: Cnncli, data: Path) -> None:
    output = run(
        cnncli, data, "-m", NET, "--epochs", 8, "-b", 8, "--lr", 0.01
    )  # auto, without weights, is scratch
    assert output["tune"] == "scratch"
    assert output["images"] == {"train": 36, "val": 15, "test": 9}
    assert output["val"]["correct"] >= 13
    assert len(output["epochs"]) == 8
    folder = open_folder(Path(output["folder"]))
    verify(folder)
    assert folder.graph
    files = {file.name for file in folder.path.iterdir()}
    assert files == {
        *("card.json", "model.onnx", "model.safetensors", "settings.toml", "splits.csv", "predictions.csv"),
        "training_features.safetensors",
        *("history.csv", "curves.png", "confusion_matrix.png", "report.html", "tensorboard", "checkpoints"),
    }
    answers = cnncli("predict", data / "test", "-m", folder.path, "-f", "jsonl")
    right = [
        json.loads(line)["predictions"][0]["label"] == Path(json.loads(line)["path"]).parent.name
        for line in answers.stdout.splitlines()
    ]
    assert sum(right) == output["test"]["correct"]
    assert output["test_loss"] > 0
    best = max(output["epochs"], key=lambda epoch: (epoch["val_top1"], -epoch["val_loss"]))
    assert output["best_epoch"] == best["epoch"]
    assert output["val"]["correct"] / 15 == pytest.approx(best["val_top1"])
    assert output["val_loss"] == pytest.approx(best["val_loss"], rel=1e-3, abs=1e-4)


@pytest.mark.slow
def test_the_keras_recipe_ends_as_keras_scripts_do(cnncli: Cnncli, data: Path) -> None:
    arguments = ("-m", NET, "--recipe", "keras", "--epochs", "2", "--layout", "nchw")
    result = cnncli("finetune", data, *arguments)
    assert result.exit_code == 0, result.stderr
    assert "keeping the network of epoch 2, the last" in result.stderr
    (tests,) = re.findall(
        r"^test +[0-9.]+ % of (\d+) images correct .*, loss ([0-9.]+)$", result.stdout, re.MULTILINE
    )
    score, accuracy = result.stdout.splitlines()[-2:]
    assert score.startswith("Test score: ")
    assert accuracy.startswith("Test accuracy: ")
    assert float(score.split()[-1]) == pytest.approx(float(tests[1]), abs=1e-4)
    assert float(accuracy.split()[-1]) * int(tests[0]) == pytest.approx(
        round(float(accuracy.split()[-1]) * int(tests[0]))
    )
    recorded = tomllib.loads(Path("runs/shades/settings.toml").read_text())
    expected = {"recipe": "keras", "tune": "scratch", "opt": "rmspropkeras", "lr": 0.001, "momentum": 0.0}
    expected |= {"batch_size": 128, "epochs": 2, "val_split": 0.2, "sched": "constant", "augment": "none"}
    expected |= {"normalize": "0..1", "init": "glorot", "keep": "last", "smoothing": 0.0, "weight_decay": 0.0}
    assert {name: recorded.get(name) for name in expected} == expected
    further = cnncli("finetune", "--resume", "runs/shades", "--epochs", "3", data)
    assert further.exit_code == 0, further.stderr
    assert "Test score: " in further.stdout


def test_a_recipe_is_refused_where_it_cannot_hold(cnncli: Cnncli, data: Path) -> None:
    for arguments, complaint in (
        (("--recipe", "keras2"), "keras2"),
        (("--recipe", "keras", "--tune", "features"), "--recipe keras is for --tune scratch, not features"),
        (("--tune", "full", "--normalize", "0..1"), "--normalize has no effect with --tune full"),
        (("--normalize", "0.5"), "unknown normalisation '0.5'"),
    ):
        result = cnncli("finetune", data, "-m", "pocket", *arguments)
        assert result.exit_code == 2
        assert complaint in result.stderr


@pytest.mark.slow
def test_a_network_without_a_final_linear_layer_is_compiled(cnncli: Cnncli, data: Path) -> None:
    """SqueezeNet has a ReLU and an average behind its last convolution."""
    arguments = ("-m", "squeezenet1_1", "--no-pretrained", "--img-size", 32)
    output = run(
        cnncli, data, *arguments, "--tune", "head", "--epochs", 1, "--amp", "off", "--layout", "nchw"
    )
    folder = open_folder(Path(output["folder"]))
    assert folder.graph, folder.card.compilation.reason
    again = run(cnncli, data, "-m", output["folder"], "--tune", "last:1", *QUICK, "-o", "further")
    assert open_folder(Path("further")).graph
    assert again["model"] == "shades"


@pytest.mark.slow
def test_auto_reports_features_first_and_keeps_the_better_model(
    cnncli: Cnncli, data: Path, tiny: Path
) -> None:
    start = time.perf_counter()
    result = cnncli("finetune", data, "-m", tiny, "--epochs", 1, "-f", "json")
    assert result.exit_code == 0, result.stderr
    messages, output = result.stderr, json.loads(result.stdout)
    total = sum(timing["seconds"] for timing in output["timings"])
    assert 0.5 < total / (time.perf_counter() - start) <= 1
    assert "a classifier on its features: " in messages
    assert messages.index("a classifier on its features") < messages.index("train loss")
    match = re.search(r"a classifier on its features: ([0-9.]+) % on val", messages)
    assert match
    trained = max(epoch["val_top1"] for epoch in output["epochs"])
    is_better = round(100 * trained, 1) > float(match[1])
    assert output["tune"] == ("last" if is_better else "features")
    assert ("; the classifier on features has" if is_better else "which is kept") in output["reason"]
    final = output["val"]["correct"] / output["val"]["images"]
    assert 100 * final == pytest.approx(max(100 * trained, float(match[1])), abs=0.05)
    assert Path(output["folder"], "classifiers.csv").exists()
    assert Path(output["folder"], "history.csv").exists()
    verify(open_folder(Path(output["folder"])))


@pytest.mark.slow
def test_auto_keeps_the_classifier_on_features_if_training_is_no_better(
    cnncli: Cnncli, data: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Loop._train_epoch

    def spoil(self: Loop, *arguments: Any) -> None:
        real(self, *arguments)
        last = self.checkpoint.history[-1]
        self.checkpoint.history[-1] = dataclasses.replace(last, val_top1=0.3 / last.number)

    monkeypatch.setattr(Loop, "_train_epoch", spoil)
    output = run(cnncli, data, "-m", tiny, "--epochs", 2, "--amp", "off", "--layout", "nchw")
    assert (output["tune"], len(output["epochs"])) == ("features", 2)
    assert "no more than the classifier on features" in output["reason"]
    longer = run(cnncli, "--resume", output["folder"], "--epochs", 3)
    assert (longer["tune"], len(longer["epochs"])) == ("features", 3)


@pytest.mark.slow
def test_auto_with_balanced_weights_compares_the_mean_over_classes(
    cnncli: Cnncli,
    data: Path,
    tiny: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Training ends with a perfect accuracy, but not as the mean over classes: the classifier on features is kept."""
    for number in range(3, 12):
        (data / "train" / "warm" / f"{number}.png").unlink()
    real = Loop._train_epoch

    def change(self: Loop, *arguments: Any) -> None:
        real(self, *arguments)
        last = self.checkpoint.history[-1]
        assert last.val_balanced is not None
        self.checkpoint.history[-1] = dataclasses.replace(last, val_top1=1.0, val_balanced=0.0)

    monkeypatch.setattr(Loop, "_train_epoch", change)
    words = ("-m", tiny, "--class-weights", "balanced", "--epochs", 1, "--amp", "off", "--layout", "nchw")
    output = run(cnncli, data, *words)
    assert output["tune"] == "features"
    assert "as the mean over classes" in output["reason"]


@pytest.mark.slow
def test_auto_skips_training_that_exceeds_the_time_budget(cnncli: Cnncli, data: Path, tiny: Path) -> None:
    output = run(cnncli, data, "-m", tiny, "--time-budget", 0.00001)
    assert output["tune"] == "features"
    assert "more than --time-budget 1e-05: keeping the classifier on features" in output["reason"]
    assert output["epochs"] == []


@pytest.mark.slow
def test_recorded_settings_reproduce_the_network(cnncli: Cnncli, data: Path) -> None:
    options = ("--mixup", 0.2, "--drop", 0.1, "--scale", "0.3,1", "--model-ema-decay", 0.9, "--aa", "trivial")
    run(cnncli, data, "-m", NET, *QUICK, *options)
    run(cnncli, "-c", "runs/shades/settings.toml", "-o", "again")
    assert (Path("again") / "model.safetensors").read_bytes() == Path(
        "runs/shades/model.safetensors"
    ).read_bytes()
    first, second = (
        tomllib.loads(Path(run_, "settings.toml").read_text()) for run_ in ("runs/shades", "again")
    )
    assert first == second


@pytest.mark.slow
def test_a_finished_run_can_be_trained_further(cnncli: Cnncli, data: Path) -> None:
    run(cnncli, data, "-m", NET, *QUICK)
    output = run(cnncli, "--resume", "runs/shades", "--epochs", 4)
    assert len(output["epochs"]) == 4
    assert ", 4 epochs\n" in cnncli("finetune", "--resume", "runs/shades").stderr
    refused = cnncli("finetune", "--resume", "runs/shades", "--epochs", 3)
    assert refused.exit_code == 2
    assert "runs/shades has finished 4 epochs, more than --epochs 3" in refused.stderr
    refused = cnncli("finetune", "--resume", "runs/shades", "--lr", 0.5)
    assert refused.exit_code == 1
    assert "--lr (was 0.001)" in refused.stderr
    refused = cnncli("finetune", "--resume", "runs/shades", "-c", "runs/shades/settings.toml")
    assert refused.exit_code == 2
    assert "--config has no effect with --resume" in refused.stderr


@pytest.mark.slow
def test_resume_can_restore_the_number_of_epochs(
    cnncli: Cnncli, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(cnncli, data, "-m", NET, *QUICK)
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "run", _interrupted)
        assert cnncli("finetune", "--resume", "runs/shades", "--epochs", 5).exit_code == 130
    assert load_manifest(Path("runs/shades")).epochs == 5
    assert len(run(cnncli, "--resume", "runs/shades", "--epochs", 2)["epochs"]) == 2
    assert load_manifest(Path("runs/shades")).epochs == 2


def _interrupted(_loop: Loop, _report: object) -> None:
    raise TrainingStopped("interrupted")


def test_preview_saves_a_picture_without_training(cnncli: Cnncli, data: Path) -> None:
    result = cnncli("finetune", data, "-m", NET, "--augment", "strong", "--preview", "seen.png")
    assert result.exit_code == 0, result.stderr
    with Image.open("seen.png") as sheet:
        assert sheet.width > 900
        assert len(sheet.getcolors(10**6) or []) > 100
    assert not Path("runs").exists()


def test_preview_replaces_no_file(cnncli: Cnncli, data: Path) -> None:
    photograph = data / "train" / "warm" / "1.png"
    before = photograph.read_bytes()
    for file, code, complaint in [
        (photograph, 1, "already exists"),
        (data / "seen.png", 1, "is inside the data folder"),
        (Path("seen.jpg"), 2, "a preview is a PNG"),
        (Path("nowhere", "seen.png"), 1, "the folder nowhere does not exist"),
    ]:
        result = cnncli("finetune", data, "-m", NET, "--preview", file)
        assert (result.exit_code, complaint in result.stderr) == (code, True), result.stderr
    assert photograph.read_bytes() == before


def test_preview_shows_each_readable_class(cnncli: Cnncli, data: Path) -> None:
    (data / "train" / "warm" / "0.png").write_bytes(b"nothing")  # the first: the second is shown
    for file in (data / "train" / "cold").iterdir():
        file.write_bytes(b"nothing")
    (data / "train" / "blue").mkdir()
    result = cnncli("finetune", data, "-m", NET, "--preview", "seen.png")
    assert result.exit_code == 3, result.stderr
    warnings = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert warnings[:2] == [
        f"warning: {data / 'train' / 'blue'} is left out: no images",
        "warning: no image of 'cold' can be read: `cnncli check` says why",
    ]
    assert sum("not an image" in line for line in warnings[2:]) == len(warnings) - 2 == 13
    assert Path("seen.png").is_file()


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(("scratch", "-m", NET), marks=pytest.mark.slow),
        ("features",),
        pytest.param(("last:1",), marks=pytest.mark.slow),
        pytest.param(("auto",), marks=pytest.mark.slow),
    ],
)
def test_unreadable_images_are_reported_and_change_the_exit_code(
    cnncli: Cnncli, data: Path, tiny: Path, way: tuple[str, ...]
) -> None:
    """With every `--tune`, whichever network is kept."""
    (data / "train" / "warm" / "broken.png").write_bytes(b"nothing")
    (data / "test" / "cold" / "broken.png").write_bytes(b"nothing")
    (data / "train" / "blue").mkdir()
    options = () if way[0] == "features" else QUICK
    result = cnncli("finetune", data, "-m", tiny, "--tune", *way, *options, "-f", "json")
    assert result.exit_code == 3, result.stderr
    output = json.loads(result.stdout)
    assert [Path(path).parts[-3:] for path in output["unreadable"]] == [
        ("train", "warm", "broken.png"),
        ("test", "cold", "broken.png"),
    ]
    assert output["images"] == {"train": 36, "val": 15, "test": 9}
    assert f"warning: {data / 'train' / 'blue'} is left out: no images" in result.stderr
    with (Path(output["folder"]) / "unreadable.csv").open() as stream:
        assert len(stream.readlines()) == 3
    page = (Path(output["folder"]) / "report.html").read_text()
    assert "2 of 62 images cannot be read" in page
    assert "blue is left out: no images" in page
    assert "1 image could not be read" not in page  # in val, there is none


@pytest.mark.slow
def test_names_that_are_not_utf8(cnncli: Cnncli, data: Path, tiny: Path) -> None:
    """Of the data, as any folder may be called; but not of a run."""
    strange = Path(os.fsdecode(b"caf\xe9"))
    data.rename(strange)
    refused = cnncli("finetune", strange, "-m", tiny, *QUICK, "-o", os.fsdecode(b"r\xfcn"))
    assert (refused.exit_code, "its name is not UTF-8" in refused.stderr) == (1, True)
    output = run(cnncli, strange, "-m", tiny, "--tune", "last:1", *QUICK)
    assert output["folder"] == "runs/caf%E9"
    assert len(run(cnncli, "--resume", "runs/caf%E9", "--epochs", 3)["epochs"]) == 3
    for format_ in ("json", "table"):
        result = cnncli("evaluate", strange, "-m", "runs/caf%E9", "-f", format_, "-o", f"judged-{format_}")
        assert result.exit_code == 0, result.stderr
        assert "caf%E9" in result.stdout
    assert run(cnncli, strange, "-m", tiny, "--tune", "features")["folder"] == "runs/caf%E9-2"


@pytest.mark.slow
def test_a_list_behind_a_symbolic_link(cnncli: Cnncli, data: Path, tmp_path: Path) -> None:
    deep = tmp_path / "some" / "where" / "deep"
    deep.mkdir(parents=True)
    lines = [f"{file},{file.parent.name},{file.parts[-3]}" for file in sorted(data.rglob("*.png"))]
    (deep / "list.csv").write_text("\n".join(["path,label,split", *lines]) + "\n")
    (tmp_path / "lists").symlink_to(deep)
    output = run(cnncli, tmp_path / "lists" / "list.csv", "-m", NET, *QUICK)
    assert output["images"] == {"train": 36, "val": 15, "test": 9}


@pytest.mark.slow
def test_class_folders_behind_symbolic_links(cnncli: Cnncli, data: Path, tiny: Path, tmp_path: Path) -> None:
    """By the folders' names as they are listed, so that what was learned from is not asked about as if it were new."""
    classes = sorted((data / "train").iterdir())
    listed = tmp_path / "project"
    listed.mkdir()
    for number, folder in enumerate(classes):
        (listed / folder.name).symlink_to(folder.rename(tmp_path / f"stored{number}"))
    files = sorted(file for folder in listed.iterdir() for file in folder.iterdir())
    lines = [f"{file},{file.parent.name}" for file in files]
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "list.csv").write_text("\n".join(["path,label", *lines]) + "\n")
    output = run(cnncli, tmp_path / "lists" / "list.csv", "-m", tiny, "--tune", "features")
    result = cnncli(
        "evaluate",
        tmp_path / "lists" / "list.csv",
        "-m",
        output["folder"],
        "-f",
        "json",
        "-o",
        tmp_path / "judged",
    )
    assert json.loads(result.stdout)["images"] == output["images"]["val"] < len(files)


@pytest.mark.slow
def test_an_unreadable_file_listed_by_two_paths(cnncli: Cnncli, data: Path, tiny: Path) -> None:
    files = sorted((data / "train").rglob("*.png"))
    files[0].write_bytes(b"nothing")
    again = f"{files[0].parent}/../{files[0].parent.name}/{files[0].name}"
    lines = [f"{file},{file.parent.name}" for file in files] + [f"{again},{files[0].parent.name}"]
    Path("list.csv").write_text("\n".join(["path,label", *lines]) + "\n")
    result = cnncli("finetune", "list.csv", "-m", tiny, "--tune", "last:1", *QUICK, "-f", "json")
    assert result.exit_code == 3, result.stderr
    assert "left out: 1 line of list.csv with a path that was already listed" in result.stderr
    output = json.loads(result.stdout)
    assert [(Path(output["folder"]).parent.parent / path).name for path in output["unreadable"]] == [
        files[0].name
    ]


@pytest.mark.slow
def test_an_interrupt_after_the_last_epoch(
    cnncli: Cnncli, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Loop._validate

    def interrupt(self: Loop) -> ValidationResult:
        if self.checkpoint.epoch == 1:  # the second, and last
            press_ctrl_c()
        return real(self)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_validate", interrupt)
        result = cnncli("finetune", data, "-m", NET, *QUICK)
    assert result.exit_code == 130
    assert "interrupted after the last epoch; everything is saved" in result.stderr
    assert len(run(cnncli, "--resume", "runs/shades")["epochs"]) == 2


@pytest.mark.slow
def test_batch_size_1(cnncli: Cnncli, data: Path) -> None:
    """Which batch normalisation cannot learn from where maps have come down to a pixel, and may well look at."""
    net = "input 3x12x12; activation: relu; conv3-6; gap; batchnorm; FC-3"
    refused = cnncli("finetune", data, "-m", net, "-b", 1)
    assert (refused.exit_code, "cannot learn from a single image at a time" in refused.stderr) == (1, True)
    assert not list(Path("runs").iterdir())
    run(cnncli, data, "-m", net, *QUICK)
    further = run(cnncli, data, "-m", "runs/shades", "--tune", "head", "-b", 1, "--epochs", 1)
    assert further["val"]["images"] == 15


@pytest.mark.slow
def test_errors_are_one_line_and_come_before_features_and_runs(
    cnncli: Cnncli, data: Path, tiny: Path, colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "embed_data", lambda *_: pytest.fail("images are read"))
    Path("net.onnx").touch()
    cases: list[tuple[list[object], int, str]] = [
        ([data, "-m", tiny, "--opt", "adma"], 2, "did you mean adam"),
        ([data, "-m", tiny, "--opt", "zzz"], 2, "try adamw, sgd"),
        ([data, "-m", tiny, "--opt", "bnbadam8bit"], 2, "--opt bnbadam8bit cannot be used"),
        ([data, "-m", tiny, "--amp", "fp16"], 2, "--amp fp16 needs a GPU"),
        ([data, "-m", tiny, "--tune", "full", "--kd-model", colours], 2, "classes"),
        ([data, "-m", "net.onnx", "--tune", "full"], 1, "whose weights cannot be trained"),
        ([data, "-m", "input 5; FC-3", "--tune", "scratch"], 2, "a vector of 5 numbers, not an image"),
        ([data, "-m", "net.onnx", "--tune", "features"], 1, "net.onnx"),
        ([data, "-m", NET, "--lr", 0], 2, "--lr must be above 0"),
        ([data, "-m", NET, "--lr", "nan"], 2, "neither a number nor 'auto'"),
        ([data, "-m", NET, "--lr", -1], 2, "--lr must be above 0"),
        ([data, "-m", NET, "--weight-decay", "nan"], 2, "--weight-decay must be at least 0, not nan"),
        ([data, "-m", NET, "--scale", "1"], 2, "not two numbers"),
        ([data, "-m", NET, "--cache-size", "big"], 2, "not a size such as 500M"),
        ([data, "-m", NET, "--tune", "last"], 2, "unknown --tune value 'last'"),
        ([data, "-m", NET, "--tune", "full:2"], 2, "unknown --tune value 'full:2'"),
        (
            [data, "-m", tiny, "--tune", "last:90"],
            2,
            "--tune last:90 needs more stages than this network has",
        ),
        ([data, "-m", "lenet5", "--tune", "full"], 2, "none are published for the blueprint lenet5"),
        ([data, "-m", NET, "--tune", "scratch", "--classifier", "svm"], 2, "--classifier has no effect"),
        (
            [data, "-m", NET, "--tune", "scratch", "--precision", "bf16"],
            2,
            "--engine and --precision have no",
        ),
        ([data, "-m", tiny, "--tune", "full", "--classifier", "knn"], 2, "cannot be trained further"),
        (
            [data, "-m", tiny, "--tune", "head", "--augment-features", 2],
            2,
            "--augment-features has no effect",
        ),
        ([data, "-m", "vgg-a", "--tune", "scratch", "--img-size", 8], 1, "line "),
        (
            [data, "-m", "vgg11", "--tune", "scratch", "--img-size", 8],
            2,
            "does not run on images of 3 x 8 x 8",
        ),
        (
            [data, "-m", tiny, "--tune", "features", "--epochs", 3],
            2,
            "--epochs: no effect with --tune features",
        ),
        (
            [data, "-m", tiny, "--tune", "features", "--preview", "x.png"],
            2,
            "--preview has no effect with --tune features",
        ),
        (["--resume", "nowhere"], 2, "nowhere is not a run: no such folder"),
        (["--resume", data], 2, f"{data} is not a run: it has no settings.toml"),
        ([data, "-m", NET, "--device", "cuda:7"], 2, "there is no device cuda:7"),
    ]
    for arguments, code, complaint in cases:
        result = cnncli("finetune", *arguments)
        assert (result.exit_code, complaint in result.stderr) == (code, True), (arguments, result.stderr)
        assert result.stderr.count("error: ") == 1
        assert not Path("runs").exists() or not any(Path("runs").iterdir()), arguments
    Path("taken").mkdir()
    Path("taken", "notes.txt").touch()
    result = cnncli("finetune", data, "-m", NET, "-o", "taken")
    assert result.exit_code == 1
    assert "taken already exists" in result.stderr


def test_a_features_run_cannot_be_resumed(cnncli: Cnncli, data: Path, tiny: Path) -> None:
    run(cnncli, data, "-m", tiny, "--tune", "features", "--classifier", "centroid")
    result = cnncli("finetune", "--resume", "runs/shades")
    assert result.exit_code == 1
    assert "a finished features run cannot be trained further" in result.stderr


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "count", [pytest.param(3, marks=pytest.mark.slow), pytest.param(20, marks=pytest.mark.full)]
)
def test_kills_lose_nothing(program: Program, data: Path, count: int) -> None:
    """kill -9 at random moments, of many from the first import to the writing of the network; the same bytes in the end."""
    options = (
        "--epochs 15 -b 4 --amp off --layout nchw --mixup 0.3 --reprob 0.3 --drop 0.2 --model-ema-decay 0.99"
    )
    command_line = ["finetune", str(data), "-m", NET, *options.split(" "), "-q"]
    assert program(*command_line, "-o", "whole").returncode == 0
    start = time.monotonic()
    assert program(*command_line, "-o", "timed").returncode == 0
    seconds = time.monotonic() - start
    chance = random.Random(0)
    resume = ["finetune", "--resume", "cut", "-q"]
    kills = ended = 0
    while kills < count or not ended or Path("cut").exists():
        command = [*command_line, "-o", "cut"]
        if Path("cut", "checkpoints", "last.pt").exists():
            command = resume
        elif Path("cut").exists():
            command.append("--overwrite")
        killed_after = chance.uniform(0.3, 0.95) * seconds if kills < count else 600
        process = subprocess.Popen([sys.executable, "-m", "cnncli", *command], stdout=subprocess.DEVNULL)
        try:
            assert process.wait(killed_after) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
            continue
        assert_same_run(Path("cut"), Path("whole"))
        shutil.rmtree("cut")
        ended += 1
        seconds *= 0.9  # the machine was busier when they were measured, and kills should come in time


def assert_same_run(one: Path, other: Path) -> None:
    """See that two runs ended with the same bytes, and that the first has nothing half written in it."""
    for name in ("model.safetensors", "predictions.csv", "splits.csv"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    verify(open_folder(one))
    assert [file for file in os.listdir(one) if file.startswith(".")] == []


@pytest.mark.slow
def test_two_processes_match_one_with_the_same_batch_size(data: Path) -> None:
    """Without dropout and batch normalisation, to 1e-5; with mixing, and with images that cannot be read."""
    for split in ("train", "val"):
        for number in range(3):
            (data / split / "warm" / f"broken{number}.png").write_bytes(b"nothing")
    arguments = [
        "-m",
        "cnncli",
        "finetune",
        str(data),
        "-m",
        NET,
        *map(str, QUICK),
        *("--mixup", "0.4", "--cutmix", "1"),
        "--device",
        "cpu",
        "-f",
        "json",
    ]
    alone = subprocess.run(
        [sys.executable, *arguments, "-o", "one"], check=False, capture_output=True, timeout=200
    )
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    together = subprocess.run(
        [*torchrun, *arguments, "-o", "two"], check=False, capture_output=True, timeout=200
    )
    one, two = (load_file(f"{run_}/model.safetensors") for run_ in ("one", "two"))
    assert max(float(np.abs(one[name] - two[name]).max()) for name in one) < 1e-5
    apart, joined = (load_file(f"{run_}/checkpoints/best_outputs.safetensors") for run_ in ("one", "two"))
    assert np.allclose(apart["logits"], joined["logits"], atol=1e-4, equal_nan=True)
    assert np.isnan(joined["logits"]).any(axis=1).sum() == 3
    in_order, order = np.argsort(apart["numbers"]), np.argsort(joined["numbers"])
    assert (apart["numbers"][in_order] == joined["numbers"][order]).all()
    assert np.allclose(apart["embeddings"][in_order], joined["embeddings"][order], atol=1e-4)
    first, second = (
        json.loads(alone.stdout),
        json.loads(together.stdout),
    )  # one JSON, though there are two processes
    assert first["val"] == second["val"]
    assert first["unreadable"] == second["unreadable"]
    assert len(first["unreadable"]) == 6
    for mine, theirs in zip(first["epochs"], second["epochs"], strict=True):
        assert mine["train_loss"] == pytest.approx(theirs["train_loss"], abs=1e-5)


@pytest.mark.slow
def test_ctrl_c_saves_a_checkpoint_and_says_how_to_resume(data: Path) -> None:
    arguments = [
        "finetune",
        str(data),
        "-m",
        NET,
        "--epochs",
        "100000",
        "-b",
        "4",
        "--amp",
        "off",
        "--layout",
        "nchw",
    ]
    command = [sys.executable, "-m", "cnncli", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        for line in process.stderr:
            if " best" in line:
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "interrupted: finishing this step and saving" in rest
    assert "everything is saved" in rest
    assert "hint: resume with: cnncli finetune --resume runs/shades" in rest
    assert "Traceback" not in rest
