"""`cnncli sort`: each image gets into the folder of its class, and nothing is lost."""

import functools
import os
import pkgutil
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import Cnncli


@pytest.fixture(autouse=True)
def default_model(colours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNCLI_MODEL", str(colours))


def tree(folder: Path) -> dict[str, bytes]:
    """The bytes of each file below a folder, by path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


SORTED = ["blue/d.gif", "green/c.bmp", "red/a red.png"]


def test_by_default_folders_of_links(cnncli: Cnncli, photos: Path, tmp_path: Path) -> None:
    before, into = tree(photos), tmp_path / "sorted"
    result = cnncli("sort", photos, "--into", into)
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr.splitlines()[0].startswith(f"warning: {photos}/b broken.jpg: ")
    assert result.stderr.splitlines()[1:] == [
        f"{into}: 3 images in 3 folders, 1 of 4 images could not be read"
    ]
    assert sorted(tree(into)) == SORTED
    assert os.readlink(into / "blue" / "d.gif") == "../../photos/more/d.gif"
    assert tree(photos) == before
    again = cnncli("sort", photos, "--into", into)
    assert "3 were there already" in again.stderr
    assert sorted(tree(into)) == SORTED


@pytest.mark.parametrize("way", ["--hardlink", "--copy"])
def test_hard_links_and_copies(cnncli: Cnncli, photos: Path, tmp_path: Path, way: str) -> None:
    before, into = tree(photos), tmp_path / "sorted"
    cnncli("sort", photos, "--into", into, way)
    assert sorted(tree(into)) == SORTED
    assert (into / "red" / "a red.png").samefile(photos / "a red.png") == (way == "--hardlink")
    assert not (into / "red" / "a red.png").is_symlink()
    assert tree(photos) == before
    assert "3 were there already" in cnncli("sort", photos, "--into", into, way).stderr
    assert sorted(tree(into)) == SORTED


def test_images_are_moved_and_moved_back(cnncli: Cnncli, photos: Path, tmp_path: Path) -> None:
    before, into = tree(tmp_path), tmp_path / "sorted"
    result = cnncli("sort", photos, "--into", into, "--move")
    log = into / "moves.jsonl"
    assert result.stderr.splitlines()[-1] == f"to move them back: cnncli sort --undo {log}"
    assert sorted(tree(into)) == [*SORTED[:2], "moves.jsonl", SORTED[2]]
    assert sorted(tree(photos)) == ["b broken.jpg", "notes.txt"]
    undone = cnncli("sort", "--undo", log)
    assert (undone.exit_code, undone.stderr) == (0, "3 of 3 images are where they were\n")
    assert tree(tmp_path) == before
    assert not into.exists()


def test_undoing_leaves_what_has_changed(cnncli: Cnncli, photos: Path, tmp_path: Path) -> None:
    into = tmp_path / "sorted"
    cnncli("sort", photos, "--into", into, "--move")
    (into / "green" / "c.bmp").write_text("edited")
    result = cnncli("sort", "--undo", into / "moves.jsonl")
    assert result.exit_code == 3
    assert result.stderr.splitlines() == [
        f"warning: {photos}/c.bmp: {into}/green/c.bmp has changed since it was moved; it stays there",
        "2 of 3 images are where they were",
    ]


def test_a_dry_run_writes_nothing(cnncli: Cnncli, photos: Path, tmp_path: Path) -> None:
    before, into = tree(tmp_path), tmp_path / "sorted"
    result = cnncli("sort", photos, "--into", into, "--move", "--dry-run", "--threshold", "0.97")
    assert result.stdout.splitlines() == [
        f"{photos}/a red.png\t{into}/unknown/a red.png\t0.964663",
        f"{photos}/c.bmp\t{into}/unknown/c.bmp\t0.964663",
        f"{photos}/more/d.gif\t{into}/unknown/d.gif\t0.964663",
    ]
    assert result.stderr.splitlines()[-1].startswith(f"nothing written; {into}: 3 images in 1 folder, 3 of ")
    assert tree(tmp_path) == before
    assert not into.exists()


def test_names_that_collide_get_numbers(cnncli: Cnncli, tmp_path: Path) -> None:
    for number, name in enumerate(["a/x.png", "b/X.PNG", "c/x.png", "c/x-2.png"]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8 + number, 8), "red").save(tmp_path / name)
    inputs = [tmp_path / name for name in "abc"]
    for _ in range(2):
        cnncli("sort", *inputs, "--into", tmp_path / "sorted", "--copy")
        widths = {}
        for path in (tmp_path / "sorted" / "red").iterdir():
            with Image.open(path) as image:
                widths[path.name] = image.width
        assert widths == {"x.png": 8, "X-2.PNG": 9, "x-2-2.png": 11, "x-3.png": 10}


def test_an_image_given_twice_is_sorted_once(cnncli: Cnncli, photos: Path, tmp_path: Path) -> None:
    result = cnncli(
        "sort", photos / "more", photos / "more" / "d.gif", "--into", tmp_path / "sorted", "--move"
    )
    assert result.exit_code == 0
    assert result.stderr.startswith(f"{tmp_path}/sorted: 1 image in 1 folder\n")


def test_images_that_are_where_they_belong_stay(cnncli: Cnncli, photos: Path) -> None:
    (photos / "blue").mkdir()
    shutil.move(photos / "more" / "d.gif", photos / "blue")
    before = tree(photos)
    result = cnncli("sort", photos / "blue", "--into", photos, "--move")
    assert "1 were there already" in result.stderr
    assert tree(photos) == before


def test_a_network_with_several_answers(
    cnncli: Cnncli, photos: Path, colour_tasks: Path, colour_labels: Path, tmp_path: Path
) -> None:
    for model in (colour_tasks, colour_labels):
        result = cnncli("sort", photos, "-m", model, "--into", tmp_path / "sorted")
        assert result.exit_code == 2
        assert "sorting needs a model that gives each image one class" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["photos"], "error: --into is missing"),
        (["--into", "x"], "error: no input given"),
        (["photos", "--into", "x", "--copy", "--move"], "error: --copy and --move cannot both be done"),
        (["photos", "--undo", "x"], "error: --undo takes nothing else"),
        (["--undo", "x", "--threshold", "0"], "error: --undo takes nothing else"),
        (["photos", "--into", "photos"], "error: --into photos is inside photos"),
    ],
)
def test_usage_errors(
    cnncli: Cnncli, photos: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(photos.parent)
    result = cnncli("sort", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(message)


def test_two_at_once(cnncli: Cnncli, photos: Path, tmp_path: Path) -> None:
    from cnncli.files.lock import FileLock

    (tmp_path / "sorted").mkdir()
    with FileLock(tmp_path / "sorted" / ".sort.lock"):
        result = cnncli("sort", photos, "--into", tmp_path / "sorted")
    assert result.exit_code == 1
    assert "another cnncli sort writes to" in result.stderr


def test_a_full_disk_stops_it_and_loses_nothing(
    cnncli: Cnncli, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(photos)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copy2", refuse)
    result = cnncli("sort", photos, "--into", tmp_path / "sorted", "--copy")
    assert result.exit_code == 1
    assert (
        f"error: cannot copy {photos}/a red.png to {tmp_path}/sorted/red/a red.png: No space left"
        in result.stderr
    )
    assert tree(photos) == before
    assert tree(tmp_path / "sorted") == {}


def test_a_move_that_was_killed_half_way_is_completed(cnncli: Cnncli, photos: Path, tmp_path: Path) -> None:
    """Where one folder has the new name already, and the other one the old name still."""
    before, into = tree(photos), tmp_path / "sorted"
    (into / "red").mkdir(parents=True)
    (into / "red" / "a red.png").hardlink_to(photos / "a red.png")
    result = cnncli("sort", photos, "--into", into, "--move")
    assert "already" not in result.stderr
    assert [path for path in sorted(tree(into)) if "moves" not in path] == SORTED
    assert not (photos / "a red.png").exists()
    assert cnncli("sort", "--undo", into / "moves.jsonl").exit_code == 0
    assert tree(photos) == before


@pytest.mark.parametrize(
    ("way", "calls"), [("--copy", ["shutil.copy2"]), ("--move", ["os.link", "os.replace"])]
)
def test_what_was_sorted_before_an_error_is_counted(
    cnncli: Cnncli,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    calls: list[str],
) -> None:
    def refuse_blue(original: Callable[..., object], source: Path, *others: Any, **options: Any) -> object:
        if Path(source).name == "d.gif":
            raise OSError(28, "No space left on device")
        return original(source, *others, **options)

    for call in calls:
        monkeypatch.setattr(call, functools.partial(refuse_blue, pkgutil.resolve_name(call)))
    result = cnncli("sort", photos, "--into", tmp_path / "sorted", way)
    assert result.exit_code == 1
    assert "No space left on device" in result.stderr
    assert f"{tmp_path}/sorted: 2 images in 2 folders" in result.stderr
    assert [path for path in sorted(tree(tmp_path / "sorted")) if "moves" not in path] == SORTED[1:]


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,000 images of three colours, each with bytes of its own."""
    folder = tmp_path_factory.mktemp("thousand") / "photos"
    folder.mkdir()
    for number in range(1000):
        colour = [20, 20, 20]
        colour[number % 3] = 200 + number % 50
        Image.new("RGB", (4 + number % 7, 4 + number % 11), tuple(colour)).save(folder / f"{number:04}.png")
        with (folder / f"{number:04}.png").open("ab") as stream:
            stream.write(str(number).encode())
    return folder


@pytest.mark.parametrize(
    "seed",
    [pytest.param(seed, marks=pytest.mark.slow if seed < 3 else pytest.mark.full) for seed in range(30)],
)
def test_killed_at_a_random_moment_every_byte_comes_back(thousand: Path, cnncli: Cnncli, seed: int) -> None:
    before, into = tree(thousand), thousand.parent / "sorted"
    log, count = into / "moves.jsonl", random.Random(seed).randrange(1000)
    command = [sys.executable, "-m", "cnncli", "sort", str(thousand), "--into", str(into), "--move"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while sum(len(files) for _, _, files in os.walk(into)) <= count and process.poll() is None:
            time.sleep(0.0001)
        process.send_signal(signal.SIGKILL)
    assert process.returncode in {-signal.SIGKILL, 0}  # on a busy machine it may have ended
    images = {content for folder in (thousand, into) for content in tree(folder).values()}
    assert images.issuperset(before.values())
    if len(log.read_bytes().splitlines()) > 1:
        result = cnncli("sort", "--undo", log)
        assert result.exit_code == 0, result.stderr
    assert tree(thousand) == before
    shutil.rmtree(into, ignore_errors=True)
