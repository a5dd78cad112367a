"""No command writes over its inputs, nor into a model folder."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Cnncli


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, colours: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("red", "blue"):
        Path("photos", name).mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (40 + number, 40), name).save(f"photos/{name}/{number}.png")
    shutil.copy("photos/red/0.png", "x.png")
    Path("list.csv").write_text("path,label\nx.png,red\n")
    Path("list.txt").write_text("nowhere.png\nphotos/../x.png\n")
    shutil.copy("x.png", "x.npz")
    Path("list.nul").write_text("nowhere.png\0x.npz\0")
    shutil.copytree(colours, "model")
    return tmp_path


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("cam x.png -o x.png", "--output x.png is also an input"),
        ("maps x.png -o ./x.png", "also an input"),
        ("convolve x.png --kernel sobel-x -o x.png", "also an input"),
        ("predict photos --sheet photos/red/0.png", "is one of the images in photos"),
        ("predict --files-from list.csv -o list.csv", "also an input"),
        ("features --files-from list.csv -o list.npy", "also an input"),
        ("predict --files-from list.txt --sheet x.png", "also an input"),
        ("features --files-from list.nul -0 -o x.npz", "also an input"),
        ("similar --files-from list.txt --in photos --sheet x.png", "also an input"),
        ("check list.csv --sheet x.png", "also an input"),
        ("similar x.png --in photos --sheet photos/red/0.png", "one of the images in photos"),
        ("check list.csv --sheet x.png --root photos/../x.png", "also an input"),
        ("predict photos -m model -o model/o.csv", "is a model folder"),
        ("features photos -m model -o model/o.npz", "is a model folder"),
        ("export model -o model/model.onnx", "is a model folder"),
        ("evaluate photos -m model -o model/evaluation", "is a model folder"),
        ("evaluate photos -m model -o model", "also an input"),
        ("finetune photos --tune features -m model -o model/run", "is a model folder"),
        ("finetune photos --tune features -m model -o model", "also an input"),
        ("predict photos --sheet model/sheet.png", "is a model folder"),
    ],
)
def test_inputs_are_kept(cnncli: Cnncli, folder: Path, command: str, message: str) -> None:
    before = content(folder)
    result = cnncli(*command.split(), "--overwrite")
    assert result.exit_code in {1, 2}, result.output
    assert message in result.stderr
    assert content(folder) == before


@pytest.mark.usefixtures("folder")
def test_an_output_beside_the_inputs_is_replaced(cnncli: Cnncli) -> None:
    for name in ("photos/red/answers.csv", "red.csv"):
        for words in ((), ("--overwrite",)):
            assert cnncli("predict", "photos", "-m", "model", "-o", name, *words).exit_code == 0
