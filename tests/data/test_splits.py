"""splits.csv is read as it was written, by every schema number."""

import csv
import io
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cnncli.data.lists import read_list
from cnncli.data.splits import SPLITS, read_rows, read_splits, splits_table
from cnncli.errors import DataError
from cnncli.images.local_file import LocalFile
from cnncli.records.data import NO_LABEL, DataSet, Sample, Split
from cnncli.records.list_columns import ListColumns
from cnncli.records.tasks import AnswerKind, Task

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


def test_written_splits_are_read_back(data: DataSet, tmp_path: Path) -> None:
    assert read_splits(save(data, tmp_path / "run"), data.root, NAMES, "photos") == data


def test_a_missing_image_has_no_size(data: DataSet, tmp_path: Path) -> None:
    Path(data.samples[0].path).unlink()
    stream = io.StringIO()
    splits_table(data).write(stream)
    assert [row["bytes"] for row in csv.DictReader(io.StringIO(stream.getvalue()))] == ["", "6000", "7"]
    run = save(data, tmp_path / "run")
    assert read_splits(run, data.root, NAMES, "photos") == data


TASKS = (Task("label", NAMES, AnswerKind.ONE), Task("tags", ("x", "y, z"), AnswerKind.SEVERAL, (0.2, 0.7)))
ANSWERS = (((0,), (0, 1)), (None, ()), ((1,), None))


def test_written_splits_of_tasks_are_read_back(data: DataSet, tmp_path: Path) -> None:
    samples = [
        replace(sample, label=NO_LABEL, answers=answers)
        for sample, answers in zip(data.samples, ANSWERS, strict=True)
    ]
    tasks = tuple(replace(task, thresholds=None) for task in TASKS)
    data = replace(data, class_names=("a", "b", "x", "y, z"), samples=tuple(samples), tasks=tasks)
    run = save(data, tmp_path / "run")
    assert read_splits(run, data.root, data.class_names, "photos", TASKS) == data
    columns = ListColumns(labels=("label",), multi_label=("tags",), root=data.root)
    assert read_list(str(run / SPLITS), columns).samples == data.samples


def test_splits_of_tasks_need_the_tasks(tmp_path: Path) -> None:
    shutil.copy(SCHEMAS / "splits-3.csv", tmp_path / SPLITS)
    with pytest.raises(DataError, match="it has no column mood"):
        read_splits(tmp_path, "photos", NAMES, "photos", (replace(TASKS[1], name="mood"),))
    with pytest.raises(DataError, match="the network has no class 'y, z'"):
        read_splits(tmp_path, "photos", NAMES, "photos", (replace(TASKS[1], class_names=("x",)),))


def test_tasks_of_schema_3_are_read(tmp_path: Path) -> None:
    shutil.copy(SCHEMAS / "splits-3.csv", tmp_path / SPLITS)
    data = read_splits(tmp_path, "photos", ("a", "b", "x", "y, z"), "photos", TASKS)
    assert [(sample.path, sample.answers, sample.split) for sample in data.samples] == [
        ("photos/1.jpg", ANSWERS[0], Split.TRAIN),
        ("photos/2.jpg", ANSWERS[1], Split.TRAIN),
        ("photos/3.jpg", ANSWERS[2], Split.VAL),
    ]
    assert [(row.labels, row.size) for row in read_rows(tmp_path)] == [((), 5), ((), 6), ((), None)]


@pytest.mark.parametrize("schema", [1, 2])
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
            "path,label,split,bytes,digest,schema\na/1.jpg,a,train,5,,4\n",
            "its schema number is 4, and this cnncli reads up to 3",
        ),
        ("path,label,split,bytes,schema\na/1.jpg,a,train,5,2\n", "it has no column digest"),
        ("path,split,bytes,schema\na/1.jpg,train,5,1\n", "it has no column label"),
        ("path,label,schema\na/1.jpg,a,1\n", "it has no column split, bytes"),
        ("path,label,split,bytes,schema\na/1.jpg,a,part,5,1\n", "'part' is not a valid Split"),
        ("path,label,split,bytes,schema\na/1.jpg,c,val,5,1\n", "the network has no class 'c'"),
    ],
)
def test_other_tables_are_refused_in_one_line(content: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / SPLITS).write_text(content)
    with pytest.raises(DataError, match=f"splits.csv cannot be read: {reason}"):
        read_splits(tmp_path, "photos", NAMES, "photos")
