"""splits.csv is read as it was written, by every schema number, and recognises images that were moved."""

import csv
import io
import shutil
from pathlib import Path

import pytest

from cnncli.data.splits import SPLITS, match_splits, missing_held_out, read_splits, splits_table
from cnncli.errors import DataError
from cnncli.images.local_file import LocalFile
from cnncli.records.data import DataSet, Sample, Split

SCHEMAS = Path(__file__).parent / "schemas"
NAMES = ("a", "b")


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    """Three images on disk; the first two are large enough to be recognised by name and size alone."""
    samples = []
    for name, size, split in (
        ("a/1.jpg", 5000, Split.TRAIN),
        ("b/2.jpg", 6000, Split.VAL),
        ("b/3.jpg", 7, Split.VAL),
    ):
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * size)
        samples.append(Sample(LocalFile(str(file)), NAMES.index(file.parent.name), split))
    return DataSet("photos", str(tmp_path / "photos"), NAMES, tuple(samples))


def save(data: DataSet, run: Path) -> Path:
    run.mkdir()
    with (run / SPLITS).open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
        splits_table(data).write(stream)
    return run


def on_disk(folder: Path) -> DataSet:
    files = sorted(folder.rglob("*.jpg"))
    names = tuple(sorted({file.parent.name for file in files}))
    samples = tuple(Sample(LocalFile(str(file)), names.index(file.parent.name), None) for file in files)
    return DataSet(folder.name, str(folder), names, samples)


def test_written_splits_are_read_back(data: DataSet, tmp_path: Path) -> None:
    assert read_splits(save(data, tmp_path / "run"), data.root, NAMES, "photos") == data


def test_a_missing_image_has_no_size(data: DataSet, tmp_path: Path) -> None:
    Path(data.samples[0].path).unlink()
    stream = io.StringIO()
    splits_table(data).write(stream)
    assert [row["bytes"] for row in csv.DictReader(io.StringIO(stream.getvalue()))] == ["", "6000", "7"]
    run = save(data, tmp_path / "run")
    assert read_splits(run, data.root, NAMES, "photos") == data
    assert len(match_splits(on_disk(Path(data.root)), [run]).splits) == 2


@pytest.mark.parametrize("schema", [1])
def test_every_schema_is_read(schema: int, tmp_path: Path) -> None:
    shutil.copy(SCHEMAS / f"splits-{schema}.csv", tmp_path / SPLITS)
    data = read_splits(tmp_path, "photos", NAMES, "photos")
    assert [(sample.path, sample.label, sample.split) for sample in data.samples] == [
        ("photos/a/1.jpg", 0, Split.TRAIN),
        ("photos/b/2.jpg", 1, Split.TRAIN),
        ("photos/a/3.jpg", 0, Split.VAL),
        ("photos/b/4, of\ntwo lines.jpg", 1, Split.TEST),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            "path,label,split,bytes\na/1.jpg,a,train,5\n",
            "it has no column schema: it was written before cnncli 0.1.0",
        ),
        (
            "path,label,split,bytes,schema\na/1.jpg,a,train,5,2\n",
            "its schema number is 2, and this cnncli reads 1",
        ),
        ("path,label,schema\na/1.jpg,a,1\n", "it has no column split, bytes"),
        ("path,label,split,bytes,schema\na/1.jpg,a,part,5,1\n", "'part' is not a valid Split"),
        ("path,label,split,bytes,schema\na/1.jpg,c,val,5,1\n", "the network has no class 'c'"),
    ],
)
def test_other_tables_are_refused_in_one_line(content: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / SPLITS).write_text(content)
    with pytest.raises(DataError, match=f"splits.csv cannot be read: {reason}"):
        read_splits(tmp_path, "photos", NAMES, "photos")


def test_a_table_without_a_schema_is_reported_and_ignored(data: DataSet, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / SPLITS).write_text("path,label,split,bytes\na/1.jpg,a,train,5000\n")
    known = match_splits(data, [tmp_path / "old", tmp_path / "none", save(data, tmp_path / "run")])
    assert len(known.splits) == 3
    assert len(known.remarks) == 1
    assert "written before cnncli 0.1.0" in known.remarks[0]


def test_moved_data_and_renamed_classes_are_recognised(data: DataSet, tmp_path: Path) -> None:
    run = save(data, tmp_path / "run")
    moved = Path(data.root).rename(tmp_path / "moved")
    (moved / "b").rename(moved / "beta")
    known = match_splits(on_disk(moved), [run])
    assert {Path(path).name: split for path, split in known.splits.items()} == {
        "1.jpg": Split.TRAIN,
        "2.jpg": Split.VAL,  # 3.jpg is too small to be recognised without its folder's name
    }
    assert known.runs == (str(run),)
    assert missing_held_out(on_disk(moved), [run]) == []
    (moved / "beta" / "2.jpg").unlink()
    assert missing_held_out(on_disk(moved), [run]) == ["b/2.jpg"]


def test_train_wins_if_runs_disagree(data: DataSet, tmp_path: Path) -> None:
    one = save(data, tmp_path / "one")
    flipped = tuple(
        Sample(sample.source, sample.label, Split.VAL if sample.split is Split.TRAIN else Split.TRAIN)
        for sample in data.samples
    )
    other = save(DataSet("photos", data.root, NAMES, flipped), tmp_path / "other")
    assert set(match_splits(data, [one, other]).splits.values()) == {Split.TRAIN}
    assert set(match_splits(data, [other, one]).splits.values()) == {Split.TRAIN}
