"""What a wrong command line is answered with: where the same thing is here, in words that can be pasted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from cnncli.text import install_command
from tests.conftest import Cnncli


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`my data/train|val/red|blue/*.png` in the working directory."""
    monkeypatch.chdir(tmp_path)
    for split in ("train", "val"):
        for name in ("red", "blue"):
            folder = tmp_path / "my data" / split / name
            folder.mkdir(parents=True)
            for number in range(2):
                Image.new("RGB", (8 + number, 8), name).save(folder / f"{number}.png")
    return Path("my data")


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        ("classify x.jpg", "use cnncli predict"),
        ("train data", "use cnncli finetune"),
        ("val data", "use cnncli evaluate"),
        ("detect x.jpg", "cnncli classifies whole images; it neither detects objects nor segments images"),
        ("predict x.jpg --conf 0.5", "use --threshold (cnncli predict --help)"),
        ("pull net.onnx --mean imagenet", "use --normalize imagenet, or --normalize 'mean 0.5; std 0.25'"),
        ("predict --source x.jpg", "give it without an option: cnncli predict INPUT..."),
        ("predict x.jpg --top_k 3", "use --topk"),
        ("predict -r photos", "folders are searched recursively without an option"),
        ("finetune data --freeze 3", "use --tune head, or --tune last:N"),
        ("finetune data --imgsz 64", "use --img-size"),
        ("finetune data --learning_rate 1", "use --lr "),
        ("finetune data --weight_decay 1", "use --weight-decay"),
        ("finetune data --log-wandb", "use --track wandb"),
        ("finetune data --half", "use --precision fp16"),
        ("evaluate --data-dir data", "give it without an option: cnncli evaluate DATA"),
        ("cam x.jpg --target-layer a", "use --layer"),
        ("export --checkpoint a.pt", "use -m MODEL"),
        ("predict x.jpg --verbos", "cnncli predict --help"),
        ("predict model=resnet18 x.jpg", "options begin with dashes; write --model resnet18"),
        ("predict source=x.jpg", "write x.jpg alone"),
        ("finetune data imgsz=64", "use --img-size"),
        ("filters model=pocket", "options begin with dashes; write pocket"),
    ],
)
def test_words_of_other_tools(cnncli: Cnncli, command: str, hint: str) -> None:
    result = cnncli(*command.split())
    assert result.exit_code == 2
    error, advice = result.stderr.splitlines()
    assert error.startswith("error: ")
    assert advice.startswith(f"hint: {hint}")


def test_a_file_may_have_an_equals_sign_in_its_name(cnncli: Cnncli, photos: Path) -> None:
    (photos / "train/red/0.png").rename("data=1.png")
    assert cnncli("predict", "data=1.png").exit_code == 0


@pytest.mark.parametrize("option", [["-m", "lenet5"], ["--model", "lenet5"], ["--model=lenet5"]])
def test_a_model_argument_may_be_an_option(cnncli: Cnncli, option: list[str]) -> None:
    assert (
        cnncli("summary", *option, "--depth", "1").stdout
        == cnncli("summary", "lenet5", "--depth", "1").stdout
    )


def test_a_split_beside_the_training_data_is_mentioned(cnncli: Cnncli, photos: Path) -> None:
    train = photos / "train"
    message = "my data/val beside it is not used; to use it, give 'my data'"
    assert message in cnncli("check", train).stdout
    assert message not in cnncli("check", photos).stdout


def test_the_folder_of_one_class_points_to_the_folder_above(cnncli: Cnncli, photos: Path) -> None:
    result = cnncli("check", photos / "train" / "red")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[1] == (
        "hint: red is the folder of one class: give the folder above, 'my data/train', which has 'blue', 'red'"
    )


def test_a_folder_around_the_data_points_to_the_data(cnncli: Cnncli, photos: Path) -> None:
    Path("outer/unpacked").mkdir(parents=True)
    photos.rename("outer/unpacked/my data")
    result = cnncli("check", "outer")
    assert result.exit_code == 1
    assert "give 'outer/unpacked/my data'" in result.stderr


def test_resuming_a_folder_of_runs_names_them(cnncli: Cnncli, photos: Path) -> None:
    run = Path("runs/two words")
    run.mkdir(parents=True)
    (run / "settings.toml").touch()
    result = cnncli("finetune", photos, "--resume", "runs")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: runs is not a run: it has no settings.toml\nhint: did you mean 'runs/two words'?\n"
    )


def test_a_single_missing_image(cnncli: Cnncli) -> None:
    result = cnncli("predict", "nothere.jpg")
    assert (result.exit_code, result.stderr) == (3, "warning: nothere.jpg: no such file\n")
    assert cnncli("predict", "nothere.jpg", "-f", "json").stderr == "nothere.jpg: no such file\n"


def test_an_output_without_an_ending_has_its_format_named(cnncli: Cnncli, photos: Path) -> None:
    result = cnncli("predict", photos / "val", "-o", "out")
    assert result.stderr == "out: 4 records in the format tsv\n"


def test_evaluate_prints_its_data_once(cnncli: Cnncli, photos: Path, colours: Path) -> None:
    table = cnncli("evaluate", photos, "-m", colours, "--subset")
    assert table.output.count("my data: 4 images, val") == 1
    assert cnncli("evaluate", photos, "-m", colours, "--subset", "-f", "csv").stderr.count("my data:") == 1


@pytest.mark.parametrize(
    ("file", "has_pip", "command"),
    [
        ("pipx_metadata.json", True, "pipx runpip cnncli install 'cnncli[parquet]'"),
        ("uv-receipt.toml", True, "uv pip install --python '{python}' 'cnncli[parquet]'"),
        (None, False, "uv pip install --python '{python}' 'cnncli[parquet]'"),
        (None, True, "'{python}' -m pip install 'cnncli[parquet]'"),
        ("bin/pip", True, "pip install 'cnncli[parquet]'"),
    ],
)
def test_packages_are_installed_as_cnncli_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, file: str | None, has_pip: bool, command: str
) -> None:
    prefix = tmp_path / "my env"
    (prefix / "bin").mkdir(parents=True)
    if file:
        (prefix / file).touch(mode=0o755)
    python = prefix / "bin" / "python"
    monkeypatch.setattr(sys, "prefix", str(prefix))
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("PATH", str(python.parent))
    monkeypatch.setattr("cnncli.text._has_pip", lambda: has_pip)
    assert install_command("cnncli[parquet]") == command.format(python=python)


def test_setuptools_can_be_imported_after_a_hint_to_install_something() -> None:
    code = "from cnncli.text import install_command; install_command('mlflow'); import setuptools"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("words", ["predict", "similar -m pocket --duplicates"])
def test_a_sheet_is_drawn_although_the_reader_stops(photos: Path, words: str) -> None:
    command = f'"{sys.executable}" -m cnncli {words} "{photos}" --sheet sheet.png | head -1'
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert result.stdout.count("\n") == 1
    assert result.stderr.endswith("saved sheet.png\n")
    with Image.open("sheet.png") as sheet:
        assert sheet.size[0] > 100


def test_results_are_written_although_the_reader_stops(photos: Path) -> None:
    command = f'"{sys.executable}" -m cnncli check "{photos}" --sheet sheet.png | true'
    subprocess.run(["sh", "-c", command], capture_output=True, check=True)
    assert Path("sheet.png").exists()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("predict x.jpg -k five", "'five' is not a whole number"),
        ("predict x.jpg -k 0", "0 is below 1"),
        ("predict x.jpg --threshold 50", "50.0 is not between 0 and 1"),
        ("predict x.jpg --threshold 50%", "'50%' is not a number (write 0.5, not 50% or 0,5)"),
        ("--model pocket predict x.jpg", "options come after the command: cnncli COMMAND --model"),
        ("predict x.jpg -o x.xlsx", "or one of .txt, .tsv, .csv, .jsonl, .ndjson, .json, .parquet"),
        ("predict x.jpg -o nowhere/x.csv", "hint: mkdir -p nowhere"),
        ("predict ~/nothere.jpg", "the shell replaces ~ only where it is not in quotes"),
    ],
)
def test_mistakes_of_new_users(cnncli: Cnncli, command: str, message: str) -> None:
    assert message in cnncli(*command.split()).stderr


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (["predict", "-m", "best.pt", "x.jpg"], "best.pt: no such file", "the path of a model folder, or"),
        (["export", "runs/a.onnx", "-o", "b.onnx"], "runs/a.onnx: no such file", "the path of a model"),
        (["predict", "-m", "colour", "x.jpg"], "no network is called 'colour'", "did you mean colours?"),
        (["predict", "-m", ".", "x.jpg"], ". is not a model folder: it has no card.json", ""),
        (["datasets", "imagenet"], "unexpected argument: imagenet", "`cnncli datasets` lists the data sets"),
        (["datasets", "cifar10"], "unexpected argument: cifar10", "to download it: cnncli datasets get cifar10"),
        (["datasets", "download", "mnist", "a b"], "no such command", "cnncli datasets get mnist 'a b'"),
        (["models", "remove", "x"], "no such command 'remove'", "cnncli models rm x"),
        (["models", "a", "b"], "unexpected argument: b", "give one pattern, in quotes"),
        (
            ["finetune", "my data/train", "my data/val"],
            "unexpected argument: my data/val",
            "give the folder that holds both: cnncli finetune 'my data'",
        ),
        (["check", "my data", "x"], "unexpected argument: x", "give one folder"),
        (["evaluate", "my data", "colours"], "unexpected argument", "cnncli evaluate 'my data' -m colours"),
        (
            ["evaluate", "colours", "-m", "my data"],
            "colours is a model folder, not labelled images",
            "give the folder of images without an option, and the model as -m colours",
        ),
        (["cam", "my data/val/red"], "my data/val/red is a folder", "give one image, e.g. 'my data/val/red/0.png'"),
        (["maps", "a.jpg", "b.jpg"], "unexpected argument: b.jpg", "give one image at a time: for FILE"),
        (["receptive", "a.jpg"], "a.jpg: no such file", ""),
        (
            ["summary", "conv3-32 relu"],
            "no network is called 'conv3-32 relu'",
            "a blueprint begins with its input, e.g. 'input 3x224x224; conv3-32 relu'",
        ),
        (["export", "pocket", "-o", ""], "-o is empty", "is a shell variable unset?"),
        (["predict", "x.jpg", "--threshold", "70"], "invalid value for '--threshold'", "write 0.7 for 70 %"),
        (["finetune", "my data", "--val-split", "20"], "--val-split must be between 0 and 1, not 20: write 0.2 for", ""),
        (["finetune", "x", "--tune", "full", "--drop", "50"], "--drop must be between 0 and 0.99, not 50: write 0.5", ""),
        (["finetune", "my data", "--resume"], "--resume needs a value", "write --resume VALUE"),
        (
            ["predict", "--files-from", "my data/val/red/0.png"],
            "my data/val/red/0.png is an image, not a list of paths",
            "give my data/val/red/0.png itself",
        ),
        (["predict", "--files-from", "photos.tar"], "photos.tar is an archive, not a list of paths", "give photos.tar itself"),
        (
            ["similar", "my data/val/red/0.png", "--in", "my photos.tar"],
            "my photos.tar is not a folder on this machine",
            "first write its embeddings: cnncli features 'my photos.tar' -o features.npz",
        ),
        (["similar", "--duplicates", "s3://b/photos/"], "s3://b/photos/ is not a folder on this machine", "first write its"),
    ],
)  # fmt: skip
def test_misplaced_words_and_names(
    cnncli: Cnncli, photos: Path, colours: Path, words: list[str], error: str, hint: str
) -> None:
    (photos.parent / "colours").symlink_to(colours)
    Path("photos.tar").touch()
    result = cnncli(*words)
    message, *advice = result.stderr.splitlines()
    assert message.startswith(f"error: {error}")
    assert advice == [] if not hint else advice[0].startswith(f"hint: {hint}")


def test_a_folder_of_runs_names_them(cnncli: Cnncli, photos: Path, colours: Path) -> None:
    Path("runs").mkdir()
    Path("runs/photos").symlink_to(colours)
    assert cnncli("predict", "-m", "runs", photos).stderr.endswith("hint: did you mean runs/photos?\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nodata", "--tune", "full"], "nodata does not exist"),
        ([".", "--tune", "scratch", "-o", "red"], "red already exists and is not a run of cnncli"),
        ([".", "--tune", "scratch", "-m", "resnet1"], "no network is called 'resnet1'"),
        ([".", "--tune", "full", "-m", "resnet18"], "http://127.0.0.1:9 cannot be reached to download resnet18"),
    ],
)  # fmt: skip
def test_mistakes_are_reported_before_torch_is_imported(photos: Path, words: list[str], message: str) -> None:
    program = (
        "import sys; from cnncli.cli.app import main\ntry: main()\nfinally: assert 'torch' not in sys.modules"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, "finetune", *words],
        cwd=photos.parent / "my data" / "val",
        env=os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert f"error: {message}" in result.stderr
    assert "AssertionError" not in result.stderr


def test_a_wide_confusion_matrix_is_numbered(
    cnncli: Cnncli, photos: Path, colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("evaluate", photos, "-m", colours, "--subset")
    assert "true \\ predicted  blue  red\n" in cnncli(*words).stdout
    monkeypatch.setattr("cnncli.cli.evaluation_output.terminal_width", lambda: 25)
    output = cnncli(*words).stdout
    assert "true \\ predicted  1  2\n1 blue            2  ·\n2 red             ·  2\n" in output
