"""Archives, Parquet files and URLs as inputs of commands: paths that can be joined, one line for what cannot be used."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from cnncli import remote
from cnncli.images.remote_image import RemoteImage
from tests.conftest import Cnncli, arrays_of
from tests.containers import png, write_parquet, write_tar
from tests.remote_stores import Unreliable, stores

RED, LIME, BLUE = png("red"), png("lime"), png("blue")


@pytest.fixture(autouse=True)
def known_stores(colours: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CNNCLI_MODEL", str(colours))
    monkeypatch.setattr(remote, "PAUSES", (0, 0, 0, 0))
    with stores():
        yield


def lines(text: str) -> list[list[str]]:
    return [line.split("\t")[:2] for line in text.splitlines()]


@pytest.fixture
def inputs(tmp_path: Path) -> list[str]:
    """One input of each kind with a red, a green and a blue image in all."""
    write_tar(tmp_path / "x-0.tar", {"a.png": RED})
    write_tar(tmp_path / "x-1.tar", {"a.png": LIME})
    write_tar(tmp_path / "y.tgz", {"b.png": BLUE, "notes.txt": b"no image"})
    write_parquet(tmp_path / "p.parquet", {"image": [RED], "other": [LIME]})
    remote.write("memory://b/c/d.png", LIME, overwrite=True)
    remote.write("memory://b/z.tar", (tmp_path / "x-0.tar").read_bytes(), overwrite=True)
    names = ["x-{0..1}.tar", "y.tgz", "p.parquet"]
    return [*(f"{tmp_path}/{name}" for name in names), "memory://b/c/", "memory://b/z.tar"]


def expected(folder: Path) -> list[list[str]]:
    return [
        [f"{folder}/x-0.tar/a.png", "red"],
        [f"{folder}/x-1.tar/a.png", "green"],
        [f"{folder}/y.tgz/b.png", "blue"],
        [f"{folder}/p.parquet/0", "red"],
        ["memory://b/c/d.png", "green"],
        ["memory://b/z.tar/a.png", "red"],
    ]


def test_predict_reads_every_kind_of_input(cnncli: Cnncli, tmp_path: Path, inputs: list[str]) -> None:
    result = cnncli("predict", *inputs)
    assert (result.exit_code, result.stderr) == (0, "")
    assert lines(result.stdout) == expected(tmp_path)


def test_the_paths_of_an_answer_are_inputs_again(cnncli: Cnncli, tmp_path: Path, inputs: list[str]) -> None:
    cnncli("predict", *inputs, "-k", "1", "-o", tmp_path / "answers.csv")
    result = cnncli("predict", "--files-from", tmp_path / "answers.csv")
    assert lines(result.stdout) == expected(tmp_path)
    result = cnncli("predict", "--files-from", tmp_path / "answers.csv", "--path-column", "label")
    assert result.stdout.startswith("red\t-\t")


def test_features_resume_within_an_archive(
    cnncli: Cnncli, tmp_path: Path, inputs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, resumed = tmp_path / "whole.npz", tmp_path / "resumed.npz"
    assert cnncli("features", *inputs, "-o", whole).exit_code == 0
    with monkeypatch.context() as patch:
        patch.setattr(RemoteImage, "open", interrupt)
        assert cnncli("features", *inputs, "-o", resumed, "-b", "1").exit_code == 130
    result = cnncli("features", *inputs, "-o", resumed, "-b", "1", "--resume")
    assert result.exit_code == 0
    first, second = arrays_of(whole), arrays_of(resumed)
    assert first["paths"].tolist() == second["paths"].tolist() == [path for path, _ in expected(tmp_path)]
    np.testing.assert_allclose(first["embeddings"], second["embeddings"], atol=1e-6)


def interrupt(_: RemoteImage) -> BinaryIO:
    raise KeyboardInterrupt


def test_a_sheet_shows_images_of_all_kinds(cnncli: Cnncli, tmp_path: Path, inputs: list[str]) -> None:
    result = cnncli("predict", *inputs, "--sheet", tmp_path / "sheet.png")
    assert (result.exit_code, (tmp_path / "sheet.png").stat().st_size > 1000) == (0, True)


def test_what_cannot_be_read_is_a_record_in_its_place(
    cnncli: Cnncli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Unreliable, "period", 1)
    remote.write("unreliable://b/a.png", RED, overwrite=True)
    archive = write_tar(tmp_path / "x.tar", {"a.png": RED, "b.png": b"no image", "../c.png": RED})
    archive.write_bytes(archive.read_bytes()[:3100])
    result = cnncli("predict", archive, "unreliable://b/a.png", "memory://b/none.png", "-f", "jsonl")
    assert result.exit_code == 3
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(record["path"], record.get("reason")) for record in records] == [
        (f"{archive}/a.png", None),
        (f"{archive}/b.png", "not an image, or too damaged to tell which kind"),
        (f"{archive}/../c.png", "its name leads out of the archive"),
        (str(archive), "truncated, after 3 images"),
        ("unreliable://b/a.png", "the connection was reset"),
        ("memory://b/none.png", "no such file"),
    ]


@pytest.mark.slow  # a server is started
def test_predict_and_features_read_from_s3(cnncli: Cnncli, tmp_path: Path, s3: str) -> None:
    archive = write_tar(tmp_path / "x.tar", {"a.png": RED, "b.png": LIME})
    table = write_parquet(tmp_path / "p.parquet", {"image": [BLUE, RED]})
    for name, content in {
        "photos/a.png": RED,
        "photos/b/c.png": LIME,
        "photos/empty.png": b"",
        "x-1.tar": archive.read_bytes(),
        "p.parquet": table.read_bytes(),
        "list.txt": f"{s3}/photos/a.png\n{s3}/photos/empty.png\n{s3}/x-1.tar/b.png\n{s3}/p.parquet/0\n".encode(),
    }.items():
        remote.write(f"{s3}/{name}", content, overwrite=True)
    result = cnncli(
        "predict", f"{s3}/photos/", f"{s3}/x-*.tar", f"{s3}/p.parquet", f"{s3}/none/", "s3://none/a.png"
    )
    assert "s3://none/a.png: no such bucket" in result.stderr
    assert lines(result.stdout) == [
        [f"{s3}/photos/a.png", "red"],
        [f"{s3}/photos/empty.png", "-"],
        [f"{s3}/photos/b/c.png", "green"],
        [f"{s3}/x-1.tar/a.png", "red"],
        [f"{s3}/x-1.tar/b.png", "green"],
        [f"{s3}/p.parquet/0", "blue"],
        [f"{s3}/p.parquet/1", "red"],
        [f"{s3}/none/", "-"],
        ["s3://none/a.png", "-"],
    ]
    result = cnncli("features", "--files-from", f"{s3}/list.txt", "-o", tmp_path / "f.npz")
    assert result.exit_code == 3
    assert f"{s3}/photos/empty.png: an empty file" in result.stderr
    assert arrays_of(tmp_path / "f.npz")["embeddings"].shape[0] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere://b/a.png"], "nowhere://b/a.png: no file system has the scheme nowhere://"),
        (["a.jpg", "--image-column", "photo"], "--image-column is for inputs that are Parquet files"),
        (["a.jpg", "--path-column", "file"], "--path-column is for a --files-from list"),
        (["none.parquet"], "none.parquet: no such file"),
        (["p.parquet", "--image-column", "photo"], "p.parquet: no column 'photo'; it has 'image', 'label'"),
        (
            ["--files-from", "p.parquet"],
            "cannot read the list p.parquet: no column 'path'; it has 'image', 'label'",
        ),
        (
            ["--files-from", "nowhere://b/list.txt"],
            "nowhere://b/list.txt: no file system has the scheme nowhere://",
        ),
        (["--files-from", "memory://b/x.tar"], "memory://b/x.tar is an archive, not a list of paths"),
        (["--files-from", "memory://b/list.csv"], "cannot read the list memory://b/list.csv: no such file"),
    ],
)
def test_what_cannot_be_used_is_one_line_before_any_work(
    cnncli: Cnncli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_parquet(tmp_path / "p.parquet", {"image": [RED], "label": ["red"]})
    monkeypatch.setattr("cnncli.predict.Predictor.__init__", lambda *_: pytest.fail("opened the network"))
    result = cnncli("predict", *arguments)
    assert result.exit_code in {1, 2}
    assert f"error: {message}" in " ".join(result.stderr.split())


def test_archives_and_tables_among_the_images_are_named(cnncli: Cnncli, tmp_path: Path) -> None:
    write_tar(tmp_path / "x.tar", {"a.png": RED}).rename(tmp_path / "x.jpg")
    write_parquet(tmp_path / "p.parquet", {"image": [RED]}).rename(tmp_path / "p.jpg")
    result = cnncli("predict", tmp_path, "-f", "csv")
    assert "not an image but a Parquet file" in result.stdout
    assert "not an image but a tar archive" in result.stdout


def test_a_folder_of_archives_is_answered_with_their_pattern(cnncli: Cnncli, tmp_path: Path) -> None:
    write_tar(tmp_path / "shards" / "a.tar", {"a.png": RED})
    result = cnncli("predict", tmp_path / "shards")
    assert f"archives are inputs of their own, as in {tmp_path}/shards/*.tar" in " ".join(
        result.stderr.split()
    )
    assert result.exit_code == 1
