"""`cnncli similar`: the nearest images come first, and an index is as fresh as its folder."""

import dataclasses
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnncli.features.extract import Extractor
from cnncli.images.local_file import LocalFile
from cnncli.records.neighbours import Neighbours
from cnncli.records.pictures import Figure
from cnncli.regular_file import Mode, open_regular
from cnncli.retrieval import figures
from tests.conftest import ROOT, Cnncli, Imports


def draw(file: Path, red: int, seed: int = 0) -> None:
    pixels = np.random.default_rng(seed).normal((red, 90, 200 - red / 2), 8, (40, 40, 3))
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(file)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten images from blue to red."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(10):
        draw(folder / f"{number}.png", 25 * number, number)
    return folder


@pytest.fixture
def index(photos: Path, home: Path) -> Path:
    """The folder of the index of the photos."""
    return home / "indexes" / hashlib.sha256(os.fsencode(photos.resolve())).hexdigest()[:16]


def neighbour_names(said: str) -> list[tuple[str, list[str]]]:
    return [
        (Path(item["path"]).name, [Path(one["path"]).name for one in item["nearest"]])
        for item in json.loads(said)
    ]


def test_the_tasks_of_a_network_do_not_matter(
    cnncli: Cnncli, photos: Path, colours: Path, colour_tasks: Path
) -> None:
    answers = []
    for model in (colours, colour_tasks):
        for collection in (photos, Path(f"{model.name}.npz")):
            if collection.suffix:
                assert cnncli("features", photos, "-m", model, "-o", collection).exit_code == 0
            words = ("similar", photos / "3.png", "--in", collection, "-m", model, "-k", "3", "-f", "json")
            answers.append(neighbour_names(cnncli(*words).stdout))
    assert answers[1:] == answers[:1] * 3


def test_an_image_is_nearest_to_its_copy_and_not_its_own_neighbour(cnncli: Cnncli, photos: Path) -> None:
    shutil.copy(photos / "4.png", "query.png")
    result = cnncli("similar", "query.png", photos / "7.png", "--in", photos, "-k", "2", "-f", "json")
    assert result.exit_code == 0, result.output
    (_, first), (_, second) = neighbour_names(result.stdout)
    assert first[0] == "4.png"
    assert "7.png" not in second
    assert len(second) == 2
    assert json.loads(result.stdout)[0]["nearest"][0]["distance"] == pytest.approx(0, abs=1e-3)
    cosine = cnncli("similar", "query.png", "--in", photos, "--metric", "cosine", "-k", "1")
    assert cosine.stdout.split("\t")[1].endswith("4.png")


def test_an_index_is_cached_and_updated(
    cnncli: Cnncli, photos: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    real = Extractor.extract

    def spied(self: Extractor, sources: Any) -> Any:
        def listed() -> Any:
            for source in sources:
                seen.append(Path(source.path).name)
                yield source

        return real(self, listed())

    monkeypatch.setattr(Extractor, "extract", spied)
    words = ("similar", photos / "0.png", "--in", photos, "-k", "9", "-f", "json")
    before = cnncli(*words)
    assert sorted(seen[:-1]) == [f"{number}.png" for number in range(10)]
    seen.clear()
    assert cnncli(*words).stdout == before.stdout
    assert seen == ["0.png"]  # the query
    seen.clear()
    (photos / "3.png").unlink()
    draw(photos / "5.png", 0, 99)
    draw(photos / "new.png", 10, 5)
    ((_, names),) = neighbour_names(cnncli(*words).stdout)
    assert sorted(seen) == ["0.png", "5.png", "new.png"]
    assert "3.png" not in names
    assert {"5.png", "new.png"} <= set(names[:4])
    assert sorted(file.suffix for file in index.iterdir()) == [".json", ".vectors"]
    assert {file.suffix for file in photos.iterdir()} == {".png"}  # nothing is written to the folder itself


@pytest.mark.parametrize("has_change_time", [True, False])
def test_an_image_replaced_by_one_of_equal_size_and_time_is_not_stale(
    cnncli: Cnncli, photos: Path, monkeypatch: pytest.MonkeyPatch, *, has_change_time: bool
) -> None:
    """Windows does not tell when a file was last changed."""
    real = LocalFile.stamp
    if not has_change_time:
        monkeypatch.setattr(
            LocalFile, "stamp", lambda file: (stamp := real(file)) and dataclasses.replace(stamp, changed=0)
        )
    for name, colour in (("red", "red"), ("blue", "blue")):
        Image.new("RGB", (40, 40), colour).save(photos / f"{name}.bmp")
        os.utime(photos / f"{name}.bmp", (10**9, 10**9))
    Image.new("RGB", (40, 40), "red").save("query.bmp")
    words = ("similar", "query.bmp", "--in", photos, "-k", "1")
    assert "red.bmp" in cnncli(*words).stdout
    swapped = [(photos / name).read_bytes() for name in ("blue.bmp", "red.bmp")]
    for name, content in zip(("red.bmp", "blue.bmp"), swapped, strict=True):
        (photos / name).write_bytes(content)
        os.utime(photos / name, (10**9, 10**9))
    assert "blue.bmp" in cnncli(*words).stdout


@pytest.mark.parametrize("kind", [".json", ".vectors"])
def test_a_damaged_index_is_rebuilt(cnncli: Cnncli, photos: Path, index: Path, kind: str) -> None:
    words = ("similar", photos / "0.png", "--in", photos, "-f", "json")
    before = cnncli(*words).stdout
    (file,) = index.glob(f"*{kind}")
    file.write_bytes(file.read_bytes()[:-5])
    assert cnncli(*words).stdout == before


@pytest.mark.parametrize(
    ("field", "value"), [("width", 0), ("width", 1e999), ("files", [["6100", 1, []]]), ("vectors", None)]
)
def test_an_index_with_a_wrong_value_is_rebuilt(
    cnncli: Cnncli, photos: Path, index: Path, field: str, value: object
) -> None:
    words = ("similar", photos / "0.png", "--in", photos, "-f", "json")
    before = cnncli(*words).stdout
    (file,) = index.glob("*.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {field: value}))
    assert cnncli(*words).stdout == before


def test_nothing_in_the_folder_is_trusted_or_written_through(
    cnncli: Cnncli, photos: Path, index: Path, tmp_path: Path
) -> None:
    """An index that came with the images may lead anywhere."""
    words = ("similar", photos / "0.png", "--in", photos, "-f", "json")
    before = cnncli(*words).stdout
    shutil.move(index, photos / ".cnncli")
    (vectors,) = (photos / ".cnncli").glob("*.vectors")
    vectors.unlink()
    precious = tmp_path / "precious.txt"
    precious.write_text("precious")
    vectors.symlink_to(precious)
    (photos / ".cnncli" / f"{vectors.stem.rpartition('-')[0]}.lock").symlink_to(tmp_path / "created")
    assert cnncli(*words).stdout == before
    assert precious.read_text() == "precious"
    assert not (tmp_path / "created").exists()


def test_an_up_to_date_index_is_not_written_again(cnncli: Cnncli, photos: Path, index: Path) -> None:
    words = ("similar", photos / "0.png", "--in", photos)
    cnncli(*words)
    before = {file: file.stat().st_mtime_ns for file in index.iterdir()}
    cnncli(*words)
    assert {file: file.stat().st_mtime_ns for file in index.iterdir()} == before


def test_an_interrupt_keeps_computed_embeddings(
    cnncli: Cnncli, photos: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Extractor.extract
    computed = 0

    def broken(self: Extractor, sources: Any) -> Any:
        nonlocal computed
        for entry in real(self, sources):
            if computed == 4:
                raise KeyboardInterrupt
            computed += 1
            yield entry

    with monkeypatch.context() as patch:
        patch.setattr(Extractor, "extract", broken)
        assert cnncli("similar", photos / "0.png", "--in", photos).exit_code == 130
    (table,) = index.glob("*.json")
    assert len(json.loads(table.read_text())["files"]) == 4
    ((_, names),) = neighbour_names(
        cnncli("similar", photos / "0.png", "--in", photos, "-k", "9", "-f", "json").stdout
    )
    assert len(set(names)) == 9


def test_groups_of_duplicates_in_every_format(cnncli: Cnncli, photos: Path) -> None:
    shutil.copy(photos / "2.png", photos / "copy of 2.png")
    with Image.open(photos / "9.png") as image:
        image.save(photos / "worse 9.jpg", quality=90)
    words = ("similar", "--duplicates", photos)
    groups = json.loads(cnncli(*words, "-f", "json").stdout)
    names = [[Path(image["path"]).name for image in group] for group in groups]
    assert names == [["2.png", "copy of 2.png"], ["9.png", "worse 9.jpg"]]
    assert groups[0][1] == {"path": f"{photos}/copy of 2.png", "score": 1.0, "distance": 0.0}
    assert 0.9 < groups[1][1]["score"] < 1
    tsv = [line.split("\t") for line in cnncli(*words).stdout.splitlines()]
    assert [[number, Path(path).name] for number, path, *_ in tsv] == [
        [str(number), name] for number, group in enumerate(names, 1) for name in group
    ]
    assert [float(score) for *_, score, _ in tsv] == [image["score"] for group in groups for image in group]
    table = cnncli(*words, "-f", "table")
    lines = [line.split() for line in table.stdout.splitlines()]
    assert lines[0] == ["group", "image", "score"]
    assert lines[2][-1] == "1.000"
    assert "2 groups of near duplicates in 12 images" in table.stderr
    assert len(json.loads(cnncli(*words, "--score", "0.999", "-f", "json").stdout)) == 1


def test_two_folders_are_compared(cnncli: Cnncli, photos: Path) -> None:
    Path("new").mkdir()
    shutil.copy(photos / "3.png", "new/three.png")
    draw(Path("new/other.png"), 120, 77)
    result = cnncli("similar", "--duplicates", "new", "--against", photos, "-f", "json")
    (group,) = json.loads(result.stdout)
    assert [Path(image["path"]).name for image in group] == ["three.png", "3.png"]
    assert "1 of 2 images with near duplicates among 10 others" in result.stderr
    itself = cnncli("similar", "--duplicates", photos, "--against", photos, "-f", "json")
    assert json.loads(itself.stdout) == []
    alone = cnncli("similar", photos / "1.png", "--in", photos, "--against", "new")
    assert alone.exit_code == 2
    assert "--against: no effect without --duplicates" in alone.stderr


def test_embeddings_in_a_file_are_verified_if_their_images_are_there(cnncli: Cnncli, photos: Path) -> None:
    shutil.copy(photos / "2.png", photos / "copy of 2.png")
    assert cnncli("features", "photos", "-o", "f.npz").exit_code == 0
    verified = cnncli("similar", "--duplicates", "f.npz", "-f", "json")
    assert [[image["score"] for image in group] for group in json.loads(verified.stdout)] == [[1.0, 1.0]]
    photos.rename("elsewhere")
    result = cnncli("similar", "--duplicates", "f.npz", "--within", "1e-6", "-f", "json")
    assert [[image["score"] for image in group] for group in json.loads(result.stdout)] == [[1.0, None]]
    assert "11 images cannot be opened: their pairs are not verified" in result.stderr
    assert "distance 0" in cnncli("similar", "--duplicates", "f.npz", "--within", "0", "-f", "table").stdout


def test_modified_copies_are_found(cnncli: Cnncli, tmp_path: Path) -> None:
    folder = tmp_path / "objects"
    folder.mkdir()
    names = ("teapot", "monarch", "school_bus", "lemon")
    for name in names:
        with Image.open(ROOT / "sample_images" / f"{name}.jpg") as image:
            width, height = image.size
            image.save(folder / f"{name}-0.png")
            image.resize((width // 2, height // 2)).save(folder / f"{name}-1.jpg", quality=70)
            image.crop((width // 20, height // 20, width, height)).save(folder / f"{name}-2.png")
            image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / f"{name}-3.png")
    groups = json.loads(cnncli("similar", "--duplicates", folder, "-f", "json").stdout)
    actual = sorted(sorted(Path(one["path"]).stem for one in group) for group in groups)
    assert actual == sorted([f"{name}-{number}" for number in range(4)] for name in names)


def test_unreadable_queries_in_tables_and_tsv(cnncli: Cnncli, photos: Path) -> None:
    words = ("similar", "nowhere.png", photos / "1.png", "--in", photos, "-k", "2")
    assert cnncli(*words).stdout.splitlines()[0] == "nowhere.png\t-\t"
    records = json.loads(cnncli(*words, "-f", "json").stdout)
    assert [item["status"] for item in records] == ["unreadable", "ok"]
    lines = cnncli(*words, "-f", "table").stdout.splitlines()
    assert lines[1].split("  ")[0] == "nowhere.png"
    assert len(lines) == 4


def test_queries_from_a_list(cnncli: Cnncli, photos: Path) -> None:
    Path("list").write_text(f"{photos}/1.png\n{photos}/8.png\n")
    result = cnncli("similar", "--files-from", "list", "--in", photos, "-k", "1", "-f", "json")
    assert [name for name, _ in neighbour_names(result.stdout)] == ["1.png", "8.png"]


def test_a_feature_file_is_searched_without_torch(imports: Imports, cnncli: Cnncli, photos: Path) -> None:
    assert cnncli("features", photos, "-o", "f.npz").exit_code == 0
    result, packages = imports("similar", photos / "2.png", "--in", "f.npz", "-k", "1", "-f", "json")
    assert result.returncode == 0, result.stderr
    assert not packages & {"torch", "sklearn"}
    by_folder = cnncli("similar", photos / "2.png", "--in", photos, "-k", "1", "-f", "json").stdout
    assert neighbour_names(result.stdout.decode()) == neighbour_names(by_folder)


@pytest.mark.parametrize("name", ["f.npz", "f.npy", "f.csv", "f.parquet"])
def test_every_format_of_features_is_searched(cnncli: Cnncli, photos: Path, name: str, colours: Path) -> None:
    if name == "f.parquet":
        pytest.importorskip("pyarrow")
    (photos / "broken.png").write_bytes(b"nothing")
    assert cnncli("features", photos, "-o", name).exit_code == 3
    words = ("similar", photos / "2.png", "-k", "9", "-f", "json")
    result = cnncli(*words, "--in", name)
    assert result.exit_code == 0, result.stderr
    ((_, names),) = neighbour_names(result.stdout)
    ((_, expected),) = neighbour_names(cnncli(*words, "--in", photos).stdout)
    assert names == expected
    has_identity = name in {"f.npz", "f.parquet"}
    assert has_identity != (f"{name} does not say which network" in result.stderr)
    other = cnncli(*words, "--in", name, "-m", colours)
    assert other.exit_code == 2
    assert ("model is pocket" if has_identity else "208 numbers, those of the queries 3") in other.stderr


def test_the_table_of_an_npy_is_not_searched(cnncli: Cnncli, photos: Path) -> None:
    assert cnncli("features", photos, "-o", "f.npy").exit_code == 0
    result = cnncli("similar", photos / "2.png", "--in", "f.csv")
    assert result.exit_code == 1
    assert "it lists the images of an .npy file, which is the file to give" in result.stderr


@pytest.mark.parametrize(
    "content",
    [
        "",
        "path,status\n",
        "path,status,reason,e0\na,ok,,x\n",
        "path,status,reason,e0\na,ok,,nan\n",
        "a,b\nc",
        "path,status,reason,e0\na\n",
    ],
)
def test_other_tables_are_refused(cnncli: Cnncli, photos: Path, content: str) -> None:
    Path("f.csv").write_text(content)
    result = cnncli("similar", photos / "2.png", "--in", "f.csv")
    assert result.exit_code == 1
    assert "f.csv is not a file that `cnncli features` wrote" in result.stderr


def test_features_of_another_network_or_layer_are_refused(
    cnncli: Cnncli, photos: Path, colours: Path
) -> None:
    assert cnncli("features", photos, "-m", colours, "-o", "f.npz").exit_code == 0
    result = cnncli("similar", photos / "2.png", "--in", "f.npz")
    assert result.exit_code == 2
    assert "model is colours, now pocket" in result.stderr
    assert cnncli("similar", photos / "2.png", "--in", "f.npz", "-m", colours).exit_code == 0
    assert cnncli("features", photos, "--layer", "conv1", "-o", "c.npz").exit_code == 0
    assert cnncli("similar", photos / "2.png", "--in", "c.npz").exit_code == 2
    assert cnncli("similar", photos / "2.png", "--in", "c.npz", "--layer", "conv1").exit_code == 0


def test_a_sheet_of_duplicates(cnncli: Cnncli, photos: Path) -> None:
    with Image.open(photos / "4.png") as picture:
        picture.save(photos / "copy.bmp")
    result = cnncli("similar", "--duplicates", photos, "--sheet", "s.png", "-f", "json")
    assert result.exit_code == 0, result.stderr
    assert len(json.loads(result.stdout)) == 1
    with Image.open("s.png") as picture:
        assert picture.width > picture.height  # one row of two images
    assert cnncli("similar", "--duplicates", photos, "--sheet", "s.png").exit_code == 1  # it exists
    (photos / "copy.bmp").unlink()
    none = cnncli("similar", "--duplicates", photos, "--sheet", "t.png")
    assert "no picture: there is nothing to draw" in none.stderr
    assert not Path("t.png").exists()


def test_the_title_says_what_is_compared(
    cnncli: Cnncli, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []
    real = figures.figure

    def figure(results: Sequence[Neighbours], title: str) -> Figure:
        titles.append(title)
        return real(results, title)

    monkeypatch.setattr(figures, "figure", figure)
    for arguments in ((), ("--layer", "conv1", "--overwrite")):
        result = cnncli("similar", photos / "1.png", "--in", photos, "--sheet", "s.png", *arguments)
        assert result.exit_code == 0, result.stderr
    assert titles == [
        "Nearest neighbours among 10 images (Euclidean distance, input of fc1, the last layer)",
        "Nearest neighbours among 10 images (Euclidean distance, output of conv1)",
    ]


def test_a_sheet_with_unreadable_images(cnncli: Cnncli, photos: Path) -> None:
    (photos / "broken.png").write_bytes(b"nothing")
    result = cnncli("similar", photos / "1.png", photos / "broken.png", "--in", photos, "--sheet", "s.png")
    assert result.exit_code == 3
    assert result.stderr.count("broken.png: not an image") == 2
    with Image.open("s.png") as picture:
        assert picture.width == 1000
    assert cnncli("similar", photos / "1.png", "--in", photos, "--sheet", "s.png").exit_code == 1


def test_an_index_that_cannot_be_updated(
    cnncli: Cnncli, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a full disk: it stays as it was, and is found again."""
    assert cnncli("similar", photos / "1.png", "--in", photos).exit_code == 0
    (photos / "0.png").unlink()

    def full(path: Path, mode: Mode = "rb") -> Any:
        if path.suffix == ".vectors" and mode == "xb":
            raise OSError(errno.ENOSPC, "No space left on device")
        return open_regular(path, mode)

    with monkeypatch.context() as patch:
        patch.setattr("cnncli.retrieval.collection.open_regular", full)
        result = cnncli("similar", photos / "1.png", "--in", photos)
    assert (result.exit_code, "No space left on device" in result.stderr) == (1, True)
    assert cnncli("similar", photos / "1.png", "--in", photos).exit_code == 0


def test_an_index_that_does_not_fit_leaves_no_empty_file(
    cnncli: Cnncli, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, mode: Mode = "rb") -> Any:
        if path.suffix == ".vectors":
            path.touch()
            raise OSError(errno.ENOSPC, "No space left on device")
        return open_regular(path, mode)

    monkeypatch.setenv("CNNCLI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("cnncli.retrieval.collection.open_regular", full)
    result = cnncli("similar", photos / "1.png", "--in", photos, "-m", "pocket")
    assert result.exit_code == 1
    assert "No space left on device" in result.stderr
    assert list((tmp_path / "home").rglob("*.vectors")) == []


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["photos/1.png"], 2, "no images to search"),
        (["--in", "photos"], 2, "no input given"),
        (["photos/1.png", "--in", "nowhere"], 1, "nowhere: no such folder"),
        (["photos/1.png", "--in", "photos/1.png"], 1, "its name does not end in .npz, .npy, .csv, .parquet"),
        (["photos/1.png", "--in", "empty.npz"], 1, "not a file that `cnncli features` wrote"),
        (["photos/1.png", "--in", "array.npy"], 1, "not a file that `cnncli features` wrote"),
        (["photos/1.png", "--duplicates", "photos", "-k", "3"], 2, "images, -k: no effect with --duplicates"),
        (
            ["photos/1.png", "--in", "photos", "--within", "1"],
            2,
            "--within: no effect without --duplicates",
        ),
        (["photos/1.png", "--in", ""], 2, "--in is empty"),
        (
            ["photos/1.png", "--in", "photos", "--sheet", "photos/s.png"],
            1,
            "is in the folder that is searched",
        ),
        (["photos/1.png", "--in", "photos", "--sheet", "x.npz"], 2, "--sheet x.npz is not a .png"),
    ],
)
def test_invalid_arguments_are_errors(
    cnncli: Cnncli, photos: Path, words: list[str], code: int, message: str
) -> None:
    np.save(photos.parent / "array.npy", np.zeros(3))
    (photos.parent / "empty.npz").touch()
    result = cnncli("similar", *words)
    assert result.exit_code == code, result.output
    assert message in result.stderr
