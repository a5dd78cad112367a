"""NPZ files of others cannot take more memory than their size explains, and damage is one kind of error."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from cnncli.files.npz import open_npz
from tests.hostile import write_features


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    texts = np.array(["a.png", "b.png"])
    np.savez(
        tmp_path / "sound.npz", embeddings=np.ones((2, 3), np.float32), paths=texts, identity=np.array("{}")
    )
    return tmp_path / "sound.npz"


def test_arrays_are_read(sound: Path) -> None:
    with open_npz(sound) as arrays:
        assert arrays["embeddings"].shape == (2, 3)


def test_a_bomb_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("paths.npy", bytes(32 << 20))
    with (
        pytest.raises(ValueError, match=r"kB that would take 33\.6 MB of memory"),
        open_npz(tmp_path / "bomb.npz"),
    ):
        pass


def test_long_paths_are_no_bomb(tmp_path: Path) -> None:
    """Texts are padded to the longest one, and packed."""
    paths = np.array(["a.png"] * 1999 + ["b" * 300])
    np.savez_compressed(
        tmp_path / "x.npz", paths=paths, embeddings=np.random.default_rng(0).random((2000, 64))
    )
    with open_npz(tmp_path / "x.npz") as arrays:
        assert len(arrays["paths"]) == 2000


@pytest.mark.slow
def test_hostile_files(sound: Path, tmp_path: Path) -> None:
    write_features(tmp_path / "features", sound)
    files = [file for file in (tmp_path / "features").iterdir() if file.stem not in {"zeros", "pipe"}]
    refused = set()
    for file in files:
        try:
            with open_npz(file) as arrays:
                for name in ("identity", "paths", "embeddings"):
                    arrays[name]
        except ValueError:
            refused.add(file.stem)
    assert refused == {
        "bomb",
        "identity bomb",
        "shape",
        "objects",
        "lacks",
        "text",
        "half",
        "deflated",
        "sparse",
    }
