"""`cnncli next`: uncertain images that differ from each other, none of which is in the run's data."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnncli.curation.next_labels import choose_diverse, uncertainties
from cnncli.images.digest import image_digests
from cnncli.images.local_file import LocalFile
from cnncli.records.tasks import AnswerKind, Task
from tests.conftest import Cnncli


def test_uncertainty_is_one_minus_the_margin() -> None:
    shares = np.array([[0.5, 0.4, 0.1], [1, 0, 0], [0.2, 0.4, 0.4]], np.float32)
    assert np.allclose(uncertainties(shares, ()), [0.9, 0, 1])
    tasks = (Task("kind", ("a", "b"), AnswerKind.ONE), Task("tags", ("x", "y"), AnswerKind.SEVERAL))
    shares = np.array([[0.7, 0.3, 0.99, 0.5], [1, 0, 0, 1]], np.float32)
    assert np.allclose(uncertainties(shares, tasks), [(0.6 + 1) / 2, 0])
    assert uncertainties(np.ones((2, 1), np.float32), ()).tolist() == [0, 0]


def test_the_chosen_are_uncertain_and_far_from_each_other() -> None:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((4, 8)) * 50
    embeddings = (centres[np.arange(200) % 4] + rng.standard_normal((200, 8))).astype(np.float32)
    doubts = np.linspace(1, 0, 200, dtype=np.float32)
    chosen = choose_diverse(doubts, embeddings, 4)
    assert sorted(chosen % 4) == [0, 1, 2, 3]
    assert (chosen < 40).all()
    assert (np.diff(chosen) > 0).all()
    assert choose_diverse(doubts, embeddings, 300).tolist() == list(range(200))
    same = choose_diverse(doubts, np.ones((200, 8), np.float32), 5)
    assert len(set(same.tolist())) == 5


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Six images from clearly red to in between red and blue."""
    for number in range(6):
        Image.new("RGB", (16, 16), (255 - 20 * number, 30, 30 + 20 * number)).save(tmp_path / f"{number}.png")
    return tmp_path


def test_images_are_listed_drawn_and_left_out_if_the_run_has_them(
    cnncli: Cnncli, pool: Path, colours: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = tmp_path_factory.mktemp("run") / "run"
    shutil.copytree(colours, run)
    (run / "splits.csv").write_text("path,label,split,bytes,digest,schema\n")
    sheet = run.parent / "next.png"
    result = cnncli("next", pool, "-m", run, "-n", 2, "--sheet", sheet)
    assert result.exit_code == 0, result.stderr
    names = [Path(line).name for line in result.stdout.splitlines()]
    assert (len(names), names[0] in {"4.png", "5.png"}, sheet.is_file()) == (2, True, True)
    document = json.loads(cnncli("next", pool, "-m", run, "-n", 2, "-f", "json").stdout)
    assert [Path(item["path"]).name for item in document] == names
    assert document[0]["uncertainty"] > document[1]["uncertainty"]
    assert document[0]["predictions"][0]["label"]
    for number in range(6):
        file = pool / f"{number}.png"
        if number:
            with (run / "splits.csv").open("a") as stream:
                stream.write(f"other/{number}.png,red,train,{file.stat().st_size},{_digest(file)},2\n")
    (pool / "broken.png").write_bytes(b"nothing")
    result = cnncli("next", pool, "-m", run)
    assert (result.exit_code, Path(result.stdout.strip()).name) == (3, "0.png"), result.stderr
    assert "left out: 5 images in the data of" in result.stderr
    assert "broken.png" in result.stderr
    (pool / "0.png").unlink()
    (pool / "broken.png").unlink()
    nothing = cnncli("next", pool, "-m", run)
    assert (nothing.exit_code, "nothing is left to label" in nothing.stderr) == (1, True)


def _digest(file: Path) -> str:
    (digest,) = image_digests([LocalFile(str(file))], [False])
    return digest or ""


def test_mistakes_are_named(
    cnncli: Cnncli, pool: Path, colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = pool / "empty"
    empty.mkdir()
    cases: list[tuple[list[object], int, str]] = [
        (["-m", colours], 2, "no input given"),
        ([pool, "-m", colours, "-n", 0], 2, "-n"),
        ([empty, "-m", colours], 1, "no images in"),
    ]
    for arguments, code, complaint in cases:
        result = cnncli("next", *arguments)
        assert (result.exit_code, complaint in result.stderr) == (code, True), (arguments, result.stderr)
    (empty / "broken.png").write_bytes(b"nothing")
    broken = cnncli("next", empty, "-m", colours)
    assert (broken.exit_code, "none of 1 image can be read: " in broken.stderr) == (1, True)
    assert "broken.png: not an image" in broken.stderr
    monkeypatch.delenv("CNNCLI_MODEL")
    assert "no run is named" in cnncli("next", pool).stderr
