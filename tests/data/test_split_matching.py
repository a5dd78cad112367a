"""Images of earlier runs are recognised by their content; those of other images never stand for them."""

import os
from pathlib import Path

import pytest

from cnncli.data.split_matching import KnownSplits, match_splits
from cnncli.data.splits import SPLITS, splits_table
from cnncli.images.digest import PARTIAL
from cnncli.images.local_file import LocalFile
from cnncli.records.data import DataSet, Sample, Split

SIZE = 5000


def write_image(file: Path, content: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode().ljust(SIZE, b"."))


def on_disk(folder: Path, splits: dict[str, Split] | None = None) -> DataSet:
    files = sorted(folder.rglob("*.jpg"))
    names = tuple(sorted({file.parent.name for file in files}))
    samples = tuple(
        Sample(LocalFile(str(file)), names.index(file.parent.name), (splits or {}).get(file.stem))
        for file in files
    )
    return DataSet(folder.name, str(folder), names, samples)


def save(data: DataSet, run: Path, schema: int = 2) -> Path:
    """splits.csv of a run; that of schema 1 has no digests."""
    run.mkdir()
    table = splits_table(data)
    keep = [index for index, name in enumerate(table.header) if schema > 1 or name != "digest"]
    rows = [[*row[:-1], schema] for row in table.rows]
    lines = [",".join(str([*row][index] or "") for index in keep) for row in (table.header, *rows)]
    (run / SPLITS).write_text("\n".join(lines) + "\n")
    return run


def by_name(known: KnownSplits) -> dict[str, Split]:
    return {Path(path).name: split for path, split in known.splits.items()}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three images of equal sizes."""
    for name in ("a/1", "b/2", "b/3"):
        write_image(tmp_path / "photos" / f"{name}.jpg", name)
    return tmp_path / "photos"


SPLITS_OF_PHOTOS = {"1": Split.TRAIN, "2": Split.VAL, "3": Split.VAL}


@pytest.mark.parametrize("schema", [1, 2])
def test_moved_data_and_renamed_classes_are_recognised(photos: Path, tmp_path: Path, schema: int) -> None:
    run = save(on_disk(photos, SPLITS_OF_PHOTOS), tmp_path / "run", schema)
    moved = photos.rename(tmp_path / "moved")
    (moved / "b").rename(moved / "beta")
    known = match_splits(on_disk(moved), [run])
    assert by_name(known) == {"1.jpg": Split.TRAIN, "2.jpg": Split.VAL, "3.jpg": Split.VAL}
    assert known.runs == (str(run),)
    assert known.missing == ()
    (moved / "beta" / "2.jpg").unlink()
    assert match_splits(on_disk(moved), [run]).missing == ("b/2.jpg",)


def test_a_renamed_image_is_recognised_and_another_of_its_name_is_not(photos: Path, tmp_path: Path) -> None:
    run = save(on_disk(photos, SPLITS_OF_PHOTOS), tmp_path / "run")
    (photos / "a" / "1.jpg").rename(photos / "b" / "new.jpg")
    write_image(photos / "b" / "2.jpg", "another")
    known = match_splits(on_disk(photos), [run])
    assert by_name(known) == {"new.jpg": Split.TRAIN, "3.jpg": Split.VAL}
    assert known.missing == ("b/2.jpg",)


def test_images_of_equal_names_and_sizes_in_train_and_test(tmp_path: Path) -> None:
    """By name, size and class, the images of test/ would be those of train/."""
    files = [f"{split}/c/{number}.jpg" for split in ("train", "test") for number in range(3)]
    for name in files:
        write_image(tmp_path / "data" / name, name)
    data = on_disk(tmp_path / "data")
    samples = tuple(
        Sample(sample.source, 0, Split(Path(data.relative(sample.path)).parts[0])) for sample in data.samples
    )
    data = DataSet(data.name, data.root, data.class_names, samples)
    for schema in (1, 2):
        known = match_splits(data, [save(data, tmp_path / f"run{schema}", schema)])
        assert known.splits == {sample.path: sample.split for sample in samples}


@pytest.mark.parametrize("moved", [False, True])
def test_identical_images_in_train_and_test(tmp_path: Path, *, moved: bool) -> None:
    """The path decides; where it does not, nothing that was trained on passes for a test image."""
    for split in ("train", "test"):
        write_image(tmp_path / "data" / split / "c" / f"{split}.jpg", "the same")
    run = save(on_disk(tmp_path / "data", {"train": Split.TRAIN, "test": Split.TEST}), tmp_path / "run")
    if moved:
        (tmp_path / "data" / "test" / "c" / "test.jpg").rename(tmp_path / "data" / "renamed.jpg")
    known = match_splits(on_disk(tmp_path / "data"), [run])
    other = {"renamed.jpg": Split.TRAIN} if moved else {"test.jpg": Split.TEST}
    assert by_name(known) == {"train.jpg": Split.TRAIN} | other


def test_only_pieces_of_large_files_are_read_where_sizes_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "data" / "a" / "large.jpg"
    file.parent.mkdir(parents=True)
    file.write_bytes(os.urandom(1_000_000))
    data = on_disk(tmp_path / "data", {"large": Split.TRAIN})
    row = splits_table(data).rows[0]
    assert str(row[4]).startswith(PARTIAL)
    run = save(data, tmp_path / "run")
    monkeypatch.setattr("cnncli.images.digest.sha256", None)  # reads the whole file
    assert by_name(match_splits(data, [run])) == {"large.jpg": Split.TRAIN}
    with file.open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"?" if file.read_bytes()[-1:] != b"?" else b"!")
    assert by_name(match_splits(data, [run])) == {}


def test_files_of_other_sizes_are_not_read(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = save(on_disk(photos, SPLITS_OF_PHOTOS), tmp_path / "run")
    (tmp_path / "others" / "a").mkdir(parents=True)
    (tmp_path / "others" / "a" / "1.jpg").write_bytes(b"short")
    monkeypatch.setattr("cnncli.images.local_file.LocalFile.open", None)
    assert match_splits(on_disk(tmp_path / "others"), [run]).splits == {}


def test_small_files_of_schema_1_need_the_name_of_their_folder(tmp_path: Path) -> None:
    for name in ("a/1.jpg", "b/2.jpg"):
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True)
        file.write_bytes(b"short")
    run = save(on_disk(tmp_path / "photos", SPLITS_OF_PHOTOS), tmp_path / "run", schema=1)
    (tmp_path / "photos" / "b").rename(tmp_path / "photos" / "beta")
    assert by_name(match_splits(on_disk(tmp_path / "photos"), [run])) == {"1.jpg": Split.TRAIN}


def test_a_missing_image_is_not_matched(photos: Path, tmp_path: Path) -> None:
    data = on_disk(photos, SPLITS_OF_PHOTOS)
    Path(data.samples[0].path).unlink()
    assert len(match_splits(data, [save(data, tmp_path / "run")]).splits) == 2


def test_a_table_without_a_schema_is_reported_and_ignored(photos: Path, tmp_path: Path) -> None:
    data = on_disk(photos, SPLITS_OF_PHOTOS)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / SPLITS).write_text("path,label,split,bytes\na/1.jpg,a,train,5000\n")
    known = match_splits(data, [tmp_path / "old", tmp_path / "none", save(data, tmp_path / "run")])
    assert len(known.splits) == 3
    assert len(known.remarks) == 1
    assert "written before cnncli 0.1.0" in known.remarks[0]


def test_train_wins_if_runs_disagree(photos: Path, tmp_path: Path) -> None:
    data = on_disk(photos)
    one = save(on_disk(photos, SPLITS_OF_PHOTOS), tmp_path / "one")
    flipped = {"1": Split.VAL, "2": Split.TRAIN, "3": Split.TRAIN}
    other = save(on_disk(photos, flipped), tmp_path / "other")
    assert set(match_splits(data, [one, other]).splits.values()) == {Split.TRAIN}
    assert set(match_splits(data, [other, one]).splits.values()) == {Split.TRAIN}
