"""Files, folders, globs, lists and standard input become sources, in order, whatever their names."""

import io
import itertools
import os
import subprocess
import tracemalloc
from pathlib import Path
from typing import ClassVar

import pytest

from cnncli.images.in_memory import InMemory
from cnncli.images.sources import ImageInput, sources
from cnncli.records.predictions import ImageSource, Unreadable
from cnncli.records.progress import NullProgress


def paths(actual: "itertools.chain[ImageInput] | list[ImageInput]") -> list[str]:
    return [entry.path if isinstance(entry, ImageSource) else f"! {entry.path}" for entry in actual]


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def test_a_folder_gives_its_images_sorted_then_its_folders(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "b/2.png",
        "b/10.png",
        "a.JPG",
        "z.jpeg",
        "c/d/deep.webp",
        "notes.txt",
        ".git/no.png",
        "._a.jpg",
    )
    actual = paths(list(sources([str(tmp_path)])))
    assert [os.path.relpath(path, tmp_path) for path in actual] == [
        "a.JPG",
        "z.jpeg",
        "b/10.png",
        "b/2.png",
        "c/d/deep.webp",
    ]


def test_by_products_of_other_programs_are_skipped_and_named(tmp_path: Path) -> None:
    class Listener(NullProgress):
        notices: ClassVar[list[str]] = []

        def notice(self, message: str) -> None:
            self.notices.append(message)

    touch(tmp_path, "a.jpg", "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg", "Thumbs.db", "x/@eaDir/t.jpg", "x/b.jpg")
    touch(tmp_path, "__MACOSX/c.jpg", ".ipynb_checkpoints/a-checkpoint.jpg")
    actual = paths(list(sources([str(tmp_path)], None, Listener())))
    assert [os.path.relpath(path, tmp_path) for path in actual] == ["a.jpg", "x/b.jpg"]
    names = "1 .ipynb_checkpoints, 2 @eaDir, 1 Thumbs.db, 1 __MACOSX"
    assert Listener.notices == [f"skipped in {tmp_path}: {names}"]


def test_paths_are_returned_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "x/a.jpg")
    monkeypatch.chdir(tmp_path)
    words = ["./x/a.jpg", "x//a.jpg", "./x/", "nowhere.jpg", "-strange.jpg"]
    assert paths(list(sources(words))) == [
        "./x/a.jpg",
        "x//a.jpg",
        "./x/a.jpg",
        "nowhere.jpg",
        "-strange.jpg",
    ]


def test_globs_are_expanded(tmp_path: Path) -> None:
    touch(tmp_path, "b.jpg", "a.jpg", "sub/c.jpg", "d.txt")
    assert paths(list(sources([f"{tmp_path}/*.jpg"]))) == [f"{tmp_path}/a.jpg", f"{tmp_path}/b.jpg"]
    assert paths(list(sources([f"{tmp_path}/**/*.jpg"]))) == [
        f"{tmp_path}/a.jpg",
        f"{tmp_path}/b.jpg",
        f"{tmp_path}/sub/c.jpg",
    ]
    assert paths(list(sources([f"{tmp_path}/s*"]))) == [f"{tmp_path}/sub/c.jpg"]
    assert paths(list(sources([f"{tmp_path}/**/s*"]))) == [f"{tmp_path}/sub/c.jpg"]
    everything = [f"{tmp_path}/a.jpg", f"{tmp_path}/b.jpg", f"{tmp_path}/d.txt", f"{tmp_path}/sub/c.jpg"]
    touch(tmp_path, "sub/deep/e.jpg", "sub-way/f.jpg")
    everything = [*everything, f"{tmp_path}/sub/deep/e.jpg", f"{tmp_path}/sub-way/f.jpg"]
    assert sorted(paths(list(sources([f"{tmp_path}/**/*"])))) == sorted(everything)
    for pattern in ("**", "**/"):  # of which the folder itself is the first match
        images = [path for path in everything if path.endswith(".jpg")]
        assert sorted(map(os.path.normpath, paths(list(sources([f"{tmp_path}/{pattern}"]))))) == sorted(
            images
        )
    assert paths(list(sources([f"{tmp_path}/*.nope"]))) == [f"! {tmp_path}/*.nope"]


def test_a_file_whose_name_looks_like_a_glob(tmp_path: Path) -> None:
    touch(tmp_path, "[1].jpg", "1.jpg")
    assert paths(list(sources([f"{tmp_path}/[1].jpg"]))) == [f"{tmp_path}/[1].jpg"]


def test_standard_input_is_one_image() -> None:
    assert list(sources(["-"], io.BytesIO(b"bytes"))) == [InMemory("-", b"bytes")]


def test_a_link_back_is_reported_once_and_not_entered(tmp_path: Path) -> None:
    touch(tmp_path, "a/b/1.jpg", "c/2.jpg")
    (tmp_path / "a" / "b" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "d").symlink_to(tmp_path / "c", target_is_directory=True)
    actual = [
        os.path.relpath(path.removeprefix("! "), tmp_path) for path in paths(list(sources([str(tmp_path)])))
    ]
    assert actual == ["a/b/1.jpg", "a/b/loop", "c/2.jpg", "d/2.jpg"]


def test_a_link_to_itself_hides_nothing_else(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "self.jpg").symlink_to("self.jpg")
    assert paths(list(sources([str(tmp_path)]))) == [f"{tmp_path}/a.jpg", f"{tmp_path}/self.jpg"]


def test_a_folder_that_cannot_be_listed_is_reported(unprivileged: Path) -> None:
    touch(unprivileged, "a/1.jpg", "b/2.jpg")
    (unprivileged / "a").chmod(0)
    first, second = list(sources([str(unprivileged)]))
    (unprivileged / "a").chmod(0o755)
    assert isinstance(first, Unreadable)
    assert first.reason == "Permission denied"
    assert isinstance(second, ImageSource)


def test_a_folder_that_vanishes_is_reported(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b/2.jpg")
    walk = sources([str(tmp_path)])
    next(walk)
    (tmp_path / "b" / "2.jpg").unlink()
    (tmp_path / "b").rmdir()
    (gone,) = walk
    assert isinstance(gone, Unreadable)
    assert gone.path == f"{tmp_path}/b"


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9\n.jpg"
    Path(os.fsdecode(name)).write_bytes(b"x")
    (actual,) = sources([str(tmp_path)])
    assert isinstance(actual, ImageSource)
    assert os.fsencode(actual.path) == name


def test_deep_folders_do_not_exhaust_the_stack(tmp_path: Path) -> None:
    depth = 1100
    descriptor = os.open(".", os.O_RDONLY)
    try:
        os.chdir(tmp_path)
        for _ in range(depth):
            os.mkdir("d")
            os.chdir("d")
        Path("a.jpg").write_bytes(b"x")
        os.chdir(tmp_path)
        (actual,) = sources(["d"])
    finally:
        os.fchdir(descriptor)
        os.close(descriptor)
        subprocess.run(["rm", "-r", str(tmp_path / "d")], check=True)  # which shutil.rmtree is not up to
    assert isinstance(actual, ImageSource)
    assert actual.path == "d/" * depth + "a.jpg"


def test_the_first_source_comes_before_the_walk_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, *(f"{i:03}/{j}.jpg" for i in range(50) for j in range(3)))
    visited = []
    scandir = os.scandir

    def watched(folder: str) -> "os._ScandirIterator[str]":
        visited.append(folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", watched)
    assert len(list(itertools.islice(sources([str(tmp_path)]), 3))) == 3
    assert len(visited) == 2


@pytest.mark.slow
def test_memory_grows_with_one_directory_only(tmp_path: Path) -> None:
    def peak(folders: int) -> int:
        root = tmp_path / str(folders)
        touch(root, *(f"{i:03}/{j:03}.jpg" for i in range(folders) for j in range(200)))
        tracemalloc.start()
        try:
            assert sum(1 for _ in sources([str(root)])) == folders * 200
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(2)  # warm up
    assert peak(30) < 2 * peak(3)
