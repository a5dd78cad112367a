"""Embeddings: the engine's own, each computed once, kept under the digest of the file."""

import dataclasses
import itertools
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnncli.engines.onnx import OnnxEngine
from cnncli.errors import NotANumberError
from cnncli.features.embed import Embedder, EmbedSettings
from cnncli.images.local_file import LocalFile
from cnncli.networks.cache import home
from cnncli.networks.model_folder import ModelFolder, open_folder
from cnncli.records.engines import EngineName, EngineOptions, InferenceOptions, Precision
from cnncli.records.progress import NullProgress


class Listener(NullProgress):
    def __init__(self) -> None:
        self.notices: list[str] = []
        self.warnings: list[str] = []

    def notice(self, message: str) -> None:
        self.notices.append(message)

    def warning(self, message: str) -> None:
        self.warnings.append(message)


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    colours = ["red", "lime", "blue", "white", "black"]
    for colour in colours:
        Image.new("RGB", (9, 7), colour).save(tmp_path / f"{colour}.png")
    return [str(tmp_path / f"{colour}.png") for colour in colours]


@pytest.fixture
def folder(colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelFolder:
    monkeypatch.setenv("CNNCLI_HOME", str(tmp_path / "home"))
    return open_folder(colours)


def embedder(
    folder: ModelFolder, progress: NullProgress | None = None, seed: int = 0, batch_size: int | None = None
) -> Embedder:
    return Embedder(
        folder, EmbedSettings(seed, InferenceOptions(batch_size=batch_size)), progress or NullProgress()
    )


def files(paths: Sequence[str]) -> list[LocalFile]:
    return [LocalFile(path) for path in paths]


EXPECTED = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0]], np.float32)


def test_embeddings_of_the_colour_network_are_mean_colours(folder: ModelFolder, paths: list[str]) -> None:
    result = embedder(folder).embed(files(paths))
    assert np.allclose(result.vectors[:, 0], EXPECTED)
    assert result.computed == 5
    assert len(set(result.digests)) == 5


def test_embeddings_are_computed_once(folder: ModelFolder, paths: list[str], tmp_path: Path) -> None:
    embedder(folder).embed(files(paths[:3]))
    moved = tmp_path / "moved.png"
    shutil.copy(paths[0], moved)
    result = embedder(folder).embed(files([*paths, str(moved)]))
    assert result.computed == 2
    assert np.allclose(result.vectors[:, 0], [*EXPECTED, EXPECTED[0]])


def test_a_changed_file_is_computed_again(folder: ModelFolder, paths: list[str]) -> None:
    embedder(folder).embed(files(paths[:1]))
    Image.new("RGB", (9, 7), "blue").save(paths[0])
    result = embedder(folder).embed(files(paths[:1]))
    assert np.allclose(result.vectors[0, 0], EXPECTED[2])


def test_unreadable_images_do_not_shift_others(folder: ModelFolder, paths: list[str], tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"nothing")
    wanted = [paths[0], str(tmp_path / "broken.png"), paths[1], str(tmp_path / "missing.png"), paths[2]]
    for _ in range(2):  # computed, and from the store
        result = embedder(folder, batch_size=2).embed(files(wanted), views=1)
        assert np.allclose(result.vectors[[0, 2, 4], 0], EXPECTED[:3])
        assert [record.path for record in result.unreadable] == [wanted[1], wanted[3]]
        assert [digest is None for digest in result.digests] == [False, True, False, True, False]


def test_views_are_random_but_reproducible(folder: ModelFolder, tmp_path: Path) -> None:
    image = str(tmp_path / "noise.png")
    Image.effect_noise((60, 40), 90).convert("RGB").save(image)
    first = embedder(folder, seed=1).embed(files([image]), views=3)
    assert first.computed == 4
    assert len({tuple(view) for view in first.vectors[0].tolist()}) == 4
    again = embedder(folder, seed=1).embed(files([image]), views=3)
    assert again.computed == 0
    assert np.array_equal(again.vectors, first.vectors)
    assert not np.array_equal(
        embedder(folder, seed=2).embed(files([image]), views=3).vectors[0, 1:], first.vectors[0, 1:]
    )
    shutil.rmtree(home())
    assert np.array_equal(embedder(folder, seed=1).embed(files([image]), views=3).vectors, first.vectors)


def test_an_interrupt_keeps_computed_embeddings(folder: ModelFolder, paths: list[str]) -> None:
    def notices(number: int) -> list[str]:
        """What is reported where the image of a number is interrupted."""
        numbers = itertools.count(1)

        def interrupt() -> None:
            if next(numbers) == number:
                raise KeyboardInterrupt

        listener = Listener()
        with pytest.raises(KeyboardInterrupt):
            embedder(folder, listener, batch_size=1).embed(files(paths), advance=interrupt)
        return [notice for notice in listener.notices if "embeddings" in notice]

    assert notices(1) == []
    assert notices(4) == ["finished embeddings are cached; the same command computes only the others"]
    assert embedder(folder).embed(files(paths)).computed == 2
    shutil.rmtree(home() / "features-1")
    (home() / "features-1").write_text("no folder")
    assert notices(4) == []


def test_a_damaged_or_forbidden_cache_is_ignored(folder: ModelFolder, paths: list[str]) -> None:
    embedder(folder).embed(files(paths))
    (file,) = (home() / "features-1").iterdir()
    file.write_bytes(b"no database" * 100)
    listener = Listener()
    assert embedder(folder, listener).embed(files(paths)).computed == 5
    assert len(listener.warnings) == 1
    assert "embeddings are not cached" in listener.warnings[0]


def test_cached_vectors_of_another_size_are_ignored(folder: ModelFolder, paths: list[str]) -> None:
    embedder(folder).embed(files(paths))
    (file,) = (home() / "features-1").iterdir()
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE embeddings SET vector = ?", (b"\0" * 8,))
    connection.close()
    assert np.allclose(embedder(folder).embed(files(paths)).vectors[:, 0], EXPECTED)


def test_precision_preprocessing_and_pixel_limit_are_part_of_the_cache_key(
    folder: ModelFolder, paths: list[str]
) -> None:
    embedder(folder).embed(files(paths))
    other_preprocessing = dataclasses.replace(folder.card.preprocessing, mean=(0.5, 0.5, 0.5))
    changed = dataclasses.replace(
        folder, card=dataclasses.replace(folder.card, preprocessing=other_preprocessing)
    )
    assert embedder(changed).embed(files(paths)).computed == 5
    limited = Embedder(folder, EmbedSettings(inference=InferenceOptions(max_pixels=10**6)), NullProgress())
    assert limited.embed(files(paths)).computed == 5
    asked = Embedder(
        folder, EmbedSettings(inference=InferenceOptions(EngineOptions(EngineName.ONNX))), NullProgress()
    )
    assert asked.embed(files(paths)).computed == 5


def test_what_automatic_precision_resolves_to_is_part_of_the_cache_key(
    tiny: Path, paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = EngineOptions(EngineName.TORCH, precision=Precision.AUTO)
    computed = []
    for has_bf16 in (True, False, True):
        monkeypatch.setattr("cnncli.engines.torch.has_bf16", lambda _device, has=has_bf16: has)
        automatic = EmbedSettings(inference=InferenceOptions(engine))
        computed.append(Embedder(open_folder(tiny), automatic, NullProgress()).embed(files(paths)).computed)
    assert computed == [5, 5, 0]


def test_overflowing_embeddings_are_an_error(
    folder: ModelFolder, paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = OnnxEngine.run
    monkeypatch.setattr(
        OnnxEngine,
        "run",
        lambda self, pixels: dataclasses.replace(
            run(self, pixels), embeddings=np.full((len(pixels), 3), np.nan, np.float32)
        ),
    )
    with pytest.raises(NotANumberError, match="output contains infinite values or NaN"):
        embedder(folder).embed(files(paths))
    monkeypatch.undo()
