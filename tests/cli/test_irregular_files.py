"""Pipes, devices and endless files where a file is meant: every command ends soon, with one line on what is wrong."""

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from cnncli.cli.app import app
from cnncli.errors import InputError
from cnncli.images.path_list import read_list
from tests.conftest import Cnncli

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes, and in one of them what only looks like images."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data"
    for name in ("red", "blue"):
        (folder / name).mkdir(parents=True)
        for number in range(6):
            Image.new("RGB", (40, 40), (200 - 9 * number, 9 * number, 0) if name == "red" else name).save(
                folder / name / f"{number}.png"
            )
    os.mkfifo(folder / "red" / "pipe.jpg")
    (folder / "red" / "zero.jpg").symlink_to("/dev/zero")
    (folder / "red" / "kmsg.jpg").symlink_to("/proc/kmsg")
    with (folder / "red" / "zeros.jpg").open("wb") as stream:
        stream.truncate(4 << 30)
    return folder


@pytest.mark.parametrize("device", ["pipe", "/dev/zero"])
@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("predict", "--files-from", "FILE"), "not a file"),
        (("finetune", ".", "-c", "FILE"), "not a file"),
        (("evaluate", ".", "-m", "COLOURS", "--map", "FILE"), "not a file"),
        (("check", "FILE"), ""),
        (("predict", "x.png", "-m", "resnet18", "--weights", "FILE"), ""),
        (("convolve", "x.png", "--kernel", "FILE"), ""),
        (("predict", "x.png", "-m", "FILE"), ""),
        (("similar", "x.png", "--in", "FILE"), ""),
        (("serve", "--token-file", "FILE"), "not a file"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_options_that_name_a_file(
    cnncli: Cnncli, pipe: Path, colours: Path, words: tuple[str, ...], kind: str, device: str
) -> None:
    Image.new("RGB", (40, 40), "red").save("x.png")
    Path("red").mkdir()
    shutil.copy("x.png", "red")
    names = {"FILE": device if device.startswith("/") else str(pipe), "COLOURS": str(colours)}
    result = cnncli(*(names.get(word, word) for word in words))
    assert result.exit_code in {1, 2, 3}, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert kind in result.stderr


def test_images_of_a_data_set(cnncli: Cnncli, data: Path, colours: Path) -> None:
    result = cnncli("check", data)
    assert result.exit_code == 3
    assert "4 of 16 images cannot be read" in result.output
    words: tuple[object, ...] = (
        "--tune",
        "features",
        "--classifier",
        "centroid",
        "-m",
        colours,
        "-o",
        "run",
        "-q",
    )
    assert cnncli("finetune", data, *words).exit_code == 3
    assert cnncli("evaluate", data, "-m", "run", "--split", "all").exit_code in {0, 3}
    assert cnncli("predict", data, "-m", colours).stdout.count("\n") == 16


def test_a_model_folder_with_a_pipe(cnncli: Cnncli, pipe: Path, colours: Path) -> None:
    Image.new("RGB", (40, 40), "red").save("x.png")
    for name in ("model.onnx", "card.json"):
        folder = pipe.parent / name.partition(".")[0]
        shutil.copytree(colours, folder)
        (folder / name).unlink()
        os.mkfifo(folder / name)
        card = folder / "card.json"
        if name == "model.onnx":
            size = (colours / name).stat().st_size
            card.write_text(card.read_text().replace(f'"bytes": {size}', '"bytes": 0'))
        result = cnncli("predict", "x.png", "-m", folder)
        assert result.exit_code == 1, result.output


def test_endless_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnncli.images.sources.MAX_STDIN_BYTES", 1 << 20)
    result = CliRunner().invoke(app, ["predict", "-"], input=bytes(2 << 20))
    assert result.exit_code == 3
    assert "more than 1 MB on standard input" in result.output


@pytest.mark.parametrize("separator", [b"\n", b"\0"])
def test_an_endless_list(separator: bytes) -> None:
    with Path("/dev/zero").open("rb") as zeros, pytest.raises(InputError, match="not a list of paths"):
        list(read_list(zeros, separator=separator))


def test_a_list_from_process_substitution(cnncli: Cnncli, tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), "red").save(tmp_path / "x.png")
    reader, writer = os.pipe()
    os.write(writer, os.fsencode(tmp_path / "x.png"))
    os.close(writer)
    result = cnncli("predict", "--files-from", f"/dev/fd/{reader}")
    os.close(reader)
    assert (result.exit_code, result.stdout.count("\n")) == (0, 1)
