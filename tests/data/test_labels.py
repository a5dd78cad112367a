"""Lists and archives with several labels per image, and with several tasks."""

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cnncli.data.layout import read
from cnncli.errors import CnncliError, UsageError
from cnncli.records.data import NO_LABEL, DataSet, Split
from cnncli.records.list_columns import ListColumns
from cnncli.records.tasks import AnswerKind, Task

TAGS = ListColumns(multi_label=("tags",))
BOTH = ListColumns(labels=("habitat",), multi_label=("tags",))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with empty files, which nobody opens here."""
    for number in range(6):
        (tmp_path / f"{number}.png").touch()
    return tmp_path


def write_list(folder: Path, text: str, name: str = "list.csv") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def write_parquet(file: Path, columns: Mapping[str, Sequence[Any]]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(dict(columns)), file)
    return file


def answers(data: DataSet) -> list[tuple[str, ...]]:
    """The name and the answers of each image, by names of classes; `?` where unknown."""
    return [
        (
            Path(sample.path).name,
            *(
                "?" if answer is None else "|".join(task.class_names[index] for index in answer)
                for task, answer in zip(data.tasks, sample.answers, strict=True)
            ),
        )
        for sample in data.samples
    ]


def test_several_labels_in_a_cell(photos: Path) -> None:
    rows = "0.png,sun|rain,val\n1.png,,train\n2.png, rain | |sun|rain,train\n3.png,?,train\n4.png,snow,\n"
    data = read(write_list(photos, f"path,tags,split\n{rows}"), TAGS)
    assert data.tasks == (Task("tags", ("rain", "snow", "sun"), AnswerKind.SEVERAL),)
    assert data.class_names == ("rain", "snow", "sun")
    assert answers(data) == [("1.png", ""), ("2.png", "rain|sun"), ("4.png", "snow"), ("0.png", "rain|sun")]
    assert {sample.label for sample in data.samples} == {NO_LABEL}
    assert data.split(Split.VAL)[0].answers == ((0, 2),)
    assert data.remarks == (
        f"{photos}/list.csv, entry 5 is left out: it has no known label",
        f"removed: spaces around 1 label of {photos}/list.csv",
    )


def test_another_separator(photos: Path) -> None:
    data = read(
        write_list(photos, "path,tags\n0.png,a;b c\n"), ListColumns(multi_label=("tags",), separator=";")
    )
    assert answers(data) == [("0.png", "a|b c")]


def test_columns_are_tasks_and_a_cell_may_be_empty(photos: Path) -> None:
    rows = "0.png,lake,fish\n1.png,,deer|bird\n2.png,wood,?\n3.png,?,?\n4.png,lake,\n"
    data = read(write_list(photos, f"path,habitat,tags\n{rows}"), BOTH)
    assert data.tasks == (
        Task("habitat", ("lake", "wood"), AnswerKind.ONE),
        Task("tags", ("bird", "deer", "fish"), AnswerKind.SEVERAL),
    )
    assert data.class_names == ("lake", "wood", "bird", "deer", "fish")
    assert answers(data) == [
        ("0.png", "lake", "fish"),
        ("1.png", "?", "bird|deer"),
        ("2.png", "wood", "?"),
        ("4.png", "lake", ""),
    ]
    assert data.remarks == (f"{photos}/list.csv, entry 5 is left out: it has no known label",)


def test_entries_without_a_known_label_are_reported_together(photos: Path) -> None:
    unknown = "".join(f"{number}.png,?\n" for number in range(20, 90))
    data = read(write_list(photos, f"path,tags\n0.png,sun\n{unknown}"), TAGS)
    (remark,) = data.remarks
    assert remark.startswith(f"{photos}/list.csv, entries 3, 4, 5, ")
    assert remark.endswith(" more are left out: they have no known label")


def test_tasks_are_in_the_order_of_their_options() -> None:
    columns = ListColumns(labels=("b", "a", "c"), multi_label=("a", "d"), indicators=("y", "x"))
    assert [(task.name, task.kind.value) for task in columns.tasks] == [
        ("b", "single-label"),
        ("a", "multi-label"),
        ("c", "single-label"),
        ("d", "multi-label"),
        ("labels", "multi-label"),
    ]
    assert columns.tasks[-1].class_names == ("x", "y")


def test_one_column_of_labels_is_no_task(photos: Path) -> None:
    data = read(write_list(photos, "path,kind\n0.png,a|b\n1.png,?\n"), ListColumns(labels=("kind",)))
    assert (data.tasks, data.class_names) == ((), ("?", "a|b"))
    assert data.remarks == (
        f"1 label of {photos}/list.csv with a |: --multi-label reads several labels from each",
    )
    assert [sample.answers for sample in data.samples] == [(), ()]


def test_indicator_columns(photos: Path) -> None:
    rows = "0.png,1,0,lake\n1.png,0.0,1.0,\n2.png,,,wood\n3.png,false,False,lake\n"
    columns = ListColumns(labels=("habitat",), indicators=("sun", "rain"))
    data = read(write_list(photos, f"path,sun,rain,habitat\n{rows}"), columns)
    assert data.tasks[1] == Task("labels", ("rain", "sun"), AnswerKind.SEVERAL)
    assert answers(data) == [
        ("0.png", "lake", "sun"),
        ("1.png", "?", "rain"),
        ("2.png", "wood", "?"),
        ("3.png", "lake", ""),
    ]


def test_parquet_lists_with_texts_lists_and_truth_values(photos: Path) -> None:
    columns: dict[str, Any] = {
        "path": ["0.png", "1.png", "2.png"],
        "text": ["a|b", None, "?"],
        "list": [["b", "a"], [], ["c"]],
    }
    file = write_parquet(photos / "list.parquet", columns | {"sun": [True, False, True]})
    data = read(file, ListColumns(multi_label=("text", "list"), indicators=("sun",)))
    assert answers(data) == [
        ("0.png", "a|b", "a|b", "sun"),
        ("1.png", "", "", ""),
        ("2.png", "?", "c", "sun"),
    ]


@pytest.mark.parametrize("columns", [ListColumns(labels=("list", "text")), ListColumns(indicators=("list",))])
def test_lists_where_a_cell_is_one_text(photos: Path, columns: ListColumns) -> None:
    file = write_parquet(photos / "list.parquet", {"path": ["0.png"], "text": ["a"], "list": [["b"]]})
    with pytest.raises(CnncliError, match=r"entry 2: column 'list' holds several labels"):
        read(file, columns)


def test_parquet_files_with_images(tmp_path: Path) -> None:
    columns: dict[str, Any] = {"image": [b"0", b"1"], "tags": [["a", "b"], []], "kind": ["x", "y"]}
    file = write_parquet(tmp_path / "train-0.parquet", columns)
    data = read(file, ListColumns(labels=("kind",), multi_label=("tags",)))
    assert [sample.answers for sample in data.samples] == [((0,), (0, 1)), ((1,), ())]


def test_json_files_in_archives(tmp_path: Path) -> None:
    file = tmp_path / "train.tar"
    with tarfile.open(file, "w") as archive:
        for name, document in (("0", {"kind": "x", "tags": ["a", "b"]}), ("1", {"kind": None, "tags": "a"})):
            for ending, content in ((".png", b"-"), (".json", json.dumps(document).encode())):
                member = tarfile.TarInfo(name + ending)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    data = read(file, ListColumns(labels=("kind",), multi_label=("tags",)))
    assert answers(data) == [("0.png", "x", "a|b"), ("1.png", "?", "a")]
    with pytest.raises(CnncliError, match=r"train.tar/0.json has no 'mood'"):
        read(file, ListColumns(multi_label=("mood",)))


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"labels": ("a", "a")}, "--label-column names 'a' twice"),
        ({"multi_label": ("a", "a")}, "--multi-label names 'a' twice"),
        ({"indicators": ("a", "b", "a")}, "--indicator-columns names 'a' twice"),
        ({"indicators": ("a", "")}, "--indicator-columns names an empty column"),
        ({"indicators": ("a|b",)}, "the indicator column 'a|b' has a | in it, which separates labels"),
        (
            {"labels": ("a:b", "c")},
            "the column 'a:b' has a : in it, which separates tasks from their classes in results",
        ),
        ({"labels": ("labels",), "indicators": ("a",)}, "two tasks are called 'labels'"),
        ({"labels": ("digest", "kind")}, "a task cannot be called 'digest'"),
        ({"path": "file", "multi_label": ("file",)}, "a task cannot be called 'file'"),
        ({"multi_label": ("a",), "separator": ""}, "--label-separator is empty"),
    ],
)
def test_columns_that_contradict_each_other(columns: Mapping[str, Any], problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        ListColumns(**columns)
    assert caught.value.message == problem


@pytest.mark.parametrize(
    ("content", "columns", "problem"),
    [
        (
            "path,tags\n0.png,a\n",
            BOTH,
            "the list {} has no column 'habitat'; its first line has 'path', 'tags'",
        ),
        ("path,tags\n0.png,\n1.png,\n", TAGS, "no image of list has a label in the column 'tags'"),
        ("path,habitat,tags\n0.png,,a\n", BOTH, "no image of list has a label in the column 'habitat'"),
        ("path,tags\n0.png,\n0.png,a|b\n", TAGS, "{} lists 0.png twice, as '' and as 'a|b'"),
        ("path,tags\n0.png,a|?\n", TAGS, "{}, entry 2: ? beside other labels"),
        (
            "path,tags\n0.png,a|b\n",
            ListColumns(multi_label=("tags",), separator=";"),
            "{}, entry 2: the label 'a|b' has a | in it, which separates labels in results",
        ),
        (
            "path,sun\n0.png,yes\n",
            ListColumns(indicators=("sun",)),
            "{}, entry 2: 'yes' in the indicator column 'sun' is neither 0 nor 1",
        ),
        (
            "path,sun,rain\n0.png,1,\n",
            ListColumns(indicators=("sun", "rain")),
            "{}, entry 2: '' in the indicator column 'rain' is neither 0 nor 1",
        ),
        (
            "path,label\n0.png,a\n",
            ListColumns(separator=";"),
            "--label-separator has no effect without --multi-label",
        ),
    ],
)
def test_invalid_lists_are_errors(content: str, columns: ListColumns, problem: str, photos: Path) -> None:
    file = write_list(photos, content)
    with pytest.raises(CnncliError) as caught:
        read(file, columns)
    assert caught.value.message.replace(f"{photos}/0.png", "0.png") == problem.format(file)


def test_folders_have_one_label_per_image(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(UsageError, match=r"^--multi-label: .* is not a list"):
        read(tmp_path, TAGS)
