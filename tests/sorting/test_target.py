"""A folder that images cannot be sorted into is an error before any work."""

import os
from pathlib import Path

import pytest

from cnncli.errors import OutputError, UsageError
from cnncli.sorting.sort import Transfer
from cnncli.sorting.target import require_sortable


def check(word: str | Path, into: Path, transfer: Transfer = Transfer.LINK) -> None:
    require_sortable([str(word)], into, transfer)


def test_a_folder_beside_the_images_will_do(photos: Path, tmp_path: Path) -> None:
    for transfer in Transfer:
        check(photos, tmp_path / "new" / "sorted", transfer)
        check(photos / "a red.png", photos, transfer)
        check(photos / "more", photos, transfer)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("place", ["photos", "photos/sorted", "photos/more/../sorted", "link/sorted"])
def test_a_folder_within_the_images(photos: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "link").symlink_to(photos)
    with pytest.raises(UsageError, match=r"is inside .*photos, and would be sorted itself"):
        check(photos, tmp_path / place)


@pytest.mark.parametrize("word", ["-", "s3://bucket/photos/", "a.tar", "a.parquet"])
def test_images_that_are_no_files(tmp_path: Path, word: str) -> None:
    with pytest.raises(UsageError, match="holds no files that could be sorted"):
        check(word, tmp_path)


def test_a_file_in_the_way(photos: Path) -> None:
    with pytest.raises(OutputError, match=r"notes.txt is not a folder"):
        check(photos / "more", photos / "notes.txt" / "sorted")


def test_a_model_folder(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "card.json").touch()
    with pytest.raises(OutputError, match="is a model folder"):
        check(photos, tmp_path / "model" / "sorted")


def test_a_folder_that_is_not_writable(unprivileged: Path) -> None:
    (unprivileged / "fixed").mkdir(mode=0o500)
    with pytest.raises(OutputError, match=r"cannot write to .*sorted: Permission denied"):
        check("photos", unprivileged / "fixed" / "sorted")


def test_images_that_cannot_be_moved_away(unprivileged: Path) -> None:
    card = unprivileged / "card"
    card.mkdir()
    (card / "a.jpg").touch()
    card.chmod(0o500)
    for word in (card, card / "a.jpg"):
        with pytest.raises(
            OutputError, match=r"--move cannot take images out of .*card, which is not writable"
        ):
            check(word, unprivileged / "sorted", Transfer.MOVE)
        check(word, unprivileged / "sorted", Transfer.COPY)


def test_hard_links_to_another_disk(photos: Path, tmp_path: Path) -> None:
    other = Path("/dev/shm")  # noqa: S108 - a file system of its own on Linux
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev or not os.access(other, os.W_OK):
        pytest.skip("needs another file system at /dev/shm")
    with pytest.raises(UsageError, match="--hardlink needs one disk"):
        check(photos, other / "sorted", Transfer.HARDLINK)
    check(photos, other / "sorted", Transfer.MOVE)
