"""`cnncli features`: the numbers are the network's own, in every format, and nothing done is lost."""

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnncli.files import shards
from cnncli.images.local_file import LocalFile
from cnncli.networks import pocket
from tests.conftest import Cnncli, Imports, arrays_of

LEMON = Path(__file__).parents[2] / "sample_images" / "lemon.jpg"


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six images, a broken one among them."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(6):
        draws = np.random.default_rng(number)
        Image.fromarray(draws.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    (folder / "3.png").write_bytes(b"broken")
    return folder


def test_all_formats_have_the_same_numbers(cnncli: Cnncli, images: Path) -> None:
    pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    for name in ("f.npz", "f.npy", "f.parquet"):
        assert cnncli("features", images, "-o", name).exit_code == 3
    actual = arrays_of(Path("f.npz"))
    assert actual["embeddings"].shape == (5, 208)
    assert actual["embeddings"].dtype == np.float32
    assert [Path(path).name for path in actual["paths"]] == ["0.png", "1.png", "2.png", "4.png", "5.png"]
    assert [Path(path).name for path in actual["unreadable"]] == ["3.png"]
    assert actual["reasons"][0].startswith("not an image")
    assert json.loads(str(actual["card"]))["name"] == "pocket"
    np.testing.assert_array_equal(np.load("f.npy"), actual["embeddings"])
    with Path("f.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["row"] for row in rows] == ["0", "1", "2", "", "3", "4"]
    assert rows[3]["status"] == "unreadable"
    table = pq.read_table("f.parquet")
    vectors = [row for row in table["embedding"].to_pylist() if row is not None]
    np.testing.assert_array_equal(np.array(vectors, np.float32), actual["embeddings"])
    assert table["status"].to_pylist() == ["ok", "ok", "ok", "unreadable", "ok", "ok"]
    assert json.loads(table.schema.metadata[b"card"])["name"] == "pocket"


def test_embeddings_are_the_last_layers_input_and_need_no_torch(imports: Imports, images: Path) -> None:
    result, packages = imports("features", images / "0.png", "-o", "f.npz")
    assert result.returncode == 0, result.stderr
    assert not packages & {"torch", "timm", "sklearn"}
    from safetensors.numpy import load_file

    weights = {
        name: value.astype(float) for name, value in load_file(pocket.FOLDER / "model.safetensors").items()
    }
    logits = weights["fc1.weight"] @ arrays_of(Path("f.npz"))["embeddings"][0] + weights["fc1.bias"]
    shares = np.exp(logits - logits.max())
    shares /= shares.sum()
    from typer.testing import CliRunner

    from cnncli.cli.app import app

    said = json.loads(
        CliRunner().invoke(app, ["predict", str(images / "0.png"), "-f", "json", "-k", "1"]).stdout
    )
    assert said[0]["predictions"][0]["index"] == int(shares.argmax())
    assert said[0]["predictions"][0]["probability"] == pytest.approx(shares.max(), abs=1e-3)


def test_outputs_of_any_layer(cnncli: Cnncli, images: Path) -> None:
    listed = [line.split() for line in cnncli("features", "--list-layers").stdout.splitlines()]
    assert ["conv1", "Conv2d", "40x40x40"] in listed
    assert cnncli("features", images / "0.png", "--layer", "conv1", "-o", "c.npz").exit_code == 0
    from cnncli.inspection.network.loading import load_image, load_model
    from cnncli.inspection.network.maps import layer_maps
    from cnncli.networks.model_folder import open_folder

    model = load_model(open_folder(pocket.FOLDER))
    maps = layer_maps(model, load_image(LocalFile(str(images / "0.png")), model.card), "conv1")
    np.testing.assert_allclose(
        arrays_of(Path("c.npz"))["embeddings"][0], maps.mean((1, 2)).numpy(), atol=1e-5
    )
    wrong = cnncli("features", images, "--layer", "conv9", "-o", "d.npz")
    assert wrong.exit_code == 2
    assert "conv1" in wrong.stderr
    assert not Path("d.npz.part").exists()


def test_existing_files_are_not_overwritten(cnncli: Cnncli, images: Path) -> None:
    Path("list.csv").write_text("mine")
    result = cnncli("features", images, "-o", "list.npy")
    assert result.exit_code == 1
    assert "list.csv, which would list the images, already exists" in result.stderr
    assert Path("list.csv").read_text() == "mine"
    assert cnncli("features", images, "-o", "list.npy", "--overwrite").exit_code == 3


def test_a_carriage_return_in_a_path_is_kept(cnncli: Cnncli, images: Path) -> None:
    names = [file.name for file in images.iterdir()]
    (images / "a\rb.jpg").write_bytes(b"nothing")
    cnncli("features", images, "-o", "list.npy")
    with Path("list.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert {Path(row["path"]).name for row in rows} == {*names, "a\rb.jpg"}


def test_two_runs_do_not_mix(cnncli: Cnncli, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one says so before it prepares anything, even if the first one is still preparing."""
    part = shards.PartFolder(Path("f.npz"))
    part.reserve(resume=False, overwrite=False)
    with monkeypatch.context() as patch:
        patch.setattr("cnncli.prepare.prepare", None)
        for option in ("--overwrite", "--resume", "--quiet"):
            result = cnncli("features", images, "-o", "f.npz", option)
            assert "another run is writing" in result.stderr
    part.close()
    assert not Path("f.npz.part").exists()
    assert cnncli("features", images, "-o", "f.npz").exit_code == 3


def test_a_run_that_fails_before_it_begins_leaves_nothing(cnncli: Cnncli, images: Path) -> None:
    assert cnncli("features", images, "-o", "f.npz", "-m", "resnet51").exit_code == 1
    assert not Path("f.npz.part").exists()


def test_an_interrupted_run_resumes(cnncli: Cnncli, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cnncli("features", images, "-o", "whole.npz").exit_code == 3
    monkeypatch.setattr(shards, "SHARD", 2)
    real = shards.PartFolder.add

    def killed(self: shards.PartFolder, entries: list[object]) -> None:
        if self._count == 2:
            raise MemoryError
        real(self, entries)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(shards.PartFolder, "add", killed)
        assert isinstance(cnncli("features", images, "-o", "f.npz").exception, MemoryError)
    assert len(list(Path("f.npz.part").glob("*.npz"))) == 2
    assert "--resume continues" in cnncli("features", images, "-o", "f.npz").stderr
    other = cnncli("features", images, "-o", "f.npz", "--resume", "--max-pixels", "1000000")
    assert "max_pixels was" in other.stderr
    fewer = cnncli("features", images / "1.png", "-o", "f.npz", "--resume")
    assert "its input 1 is" in fewer.stderr
    assert cnncli("features", images, "-o", "f.npz", "--resume").exit_code == 3
    one, other_one = arrays_of(Path("whole.npz")), arrays_of(Path("f.npz"))
    assert all((one[name] == other_one[name]).all() for name in one)
    assert not Path("f.npz.part").exists()
    assert "already complete" in cnncli("features", images, "-o", "f.npz", "--resume").stderr
    np.savez("other.npz", panel=np.zeros(3))
    refused = cnncli("features", images, "-o", "other.npz", "--resume")
    assert refused.exit_code == 1
    assert "not a feature file" in refused.stderr
    assert cnncli("features", images, "-o", "f.npz").exit_code == 1


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.slow
def test_ctrl_c_keeps_finished_shards(images: Path) -> None:
    paths = [str(images / "0.png")] * 60_000
    (images.parent / "list").write_text("\n".join(paths))
    command = [sys.executable, "-m", "cnncli", "features", "--files-from", "list", "-o", "f.npz"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 240
    while not list(images.parent.glob("f.npz.part/*.npz")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume continues" in said
    saved = sum(len(shard.paths) for shard in shards.PartFolder(Path("f.npz")).shards())
    assert saved >= 1024


def test_ctrl_c_before_the_first_image_leaves_no_files(
    cnncli: Cnncli, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cnncli.features.extract.Extractor.extract", lambda *_: map(interrupted, [0]))
    monkeypatch.setattr("cnncli.cli.features.contextlib.closing", contextlib.nullcontext)
    result = cnncli("features", images, "-o", "f.npz")
    assert (result.exit_code, "what is done is kept" in result.stderr) == (130, False)
    assert not list(Path().glob("f.npz*"))


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["images"], 2, "--output is missing"),
        (["images", "-o", "x.txt"], 2, "does not end in .npz, .npy, .csv or .parquet"),
        (["images", "--list-layers"], 2, "takes only a model"),
        (["-o", "x.npz"], 2, "no input given"),
        (["empty", "-o", "x.npz"], 1, "no images in empty"),
        (["images", "-o", "none/x.npz"], 1, "the folder none does not exist"),
    ],
)
def test_invalid_arguments_are_errors(
    cnncli: Cnncli, images: Path, words: list[str], code: int, message: str
) -> None:
    (images.parent / "empty").mkdir()
    result = cnncli("features", *words)
    assert result.exit_code == code, result.output
    assert message in result.stderr
    assert not list(images.parent.glob("*.part"))


def test_paths_that_are_not_utf8_are_restored(cnncli: Cnncli, images: Path) -> None:
    name = os.fsencode(images) + b"/\xff.png"
    try:
        os.rename(os.fsencode(images / "0.png"), name)
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    assert cnncli("features", images, "-o", "f.npz").exit_code == 3
    arrays = arrays_of(Path("f.npz"))
    assert [path.endswith("%FF.png") for path in arrays["paths"]].index(True) == arrays["encoded"].item()
    near = cnncli("similar", os.fsdecode(name), "--in", "f.npz", "-f", "json", "-k", "99")
    assert near.exit_code == 0, near.stderr
    (asked,) = json.loads(near.stdout)
    assert asked["path_encoding"] == "percent"
    assert all("%FF" not in one["path"] for one in asked["nearest"])  # itself is no neighbour


def test_a_folder_whose_settings_do_not_fit_does_not_block_the_next_run(
    cnncli: Cnncli, tmp_path: Path, limit_file_size: Callable[[int], None]
) -> None:
    output = tmp_path / "f.npz"
    words = ["features", LEMON, "-m", "pocket", "-o", output]
    limit_file_size(100)
    result = cnncli(*words)
    assert result.exit_code == 1
    assert "File too large" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["npz", "parquet"])
def test_a_file_that_does_not_fit_is_written_by_a_resume(
    cnncli: Cnncli, tmp_path: Path, limit_file_size: Callable[[int], None], ending: str
) -> None:
    """The card of `pocket`, which only the file holds, makes it larger than its part."""
    output = tmp_path / f"f.{ending}"
    words = ["features", LEMON, "-m", "pocket", "-o", output]
    assert cnncli(*words).exit_code == 0
    size = output.stat().st_size
    output.unlink()
    limit_file_size(size - 1)
    result = cnncli(*words)
    assert result.exit_code == 1
    assert result.stderr.endswith(
        f"error: cannot write {output}: File too large\n"
        f"hint: the embeddings are kept in {output}.part; free some space, then add --resume\n"
    )
    limit_file_size(10 * size)
    assert cnncli(*words, "--resume").exit_code == 0
    assert output.stat().st_size == size
