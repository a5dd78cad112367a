"""What an examination finds of the labels of tasks."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from cnncli.data.class_health import class_findings, splits_of, task_labels
from cnncli.data.health import examine
from cnncli.data.layout import read
from cnncli.images.local_file import LocalFile
from cnncli.records.data import NO_LABEL, DataHealth, DataSet, FindingKind, Sample, Split, TaskLabels
from cnncli.records.list_columns import ListColumns
from cnncli.records.tasks import AnswerKind, Task
from tests.data.test_health import picture, saved

HABITAT = Task("habitat", ("lake", "wood"), AnswerKind.ONE)
TAGS = Task("tags", ("bird", "deer", "fish"), AnswerKind.SEVERAL)
Answers = tuple[tuple[int, ...] | None, ...]


def data_set(tasks: tuple[Task, ...], train: Sequence[Answers], val: Sequence[Answers]) -> DataSet:
    samples = tuple(
        Sample(LocalFile(f"{number}.png"), NO_LABEL, split, answers)
        for number, (split, answers) in enumerate(
            [*((Split.TRAIN, answers) for answers in train), *((Split.VAL, answers) for answers in val)]
        )
    )
    names = tuple(name for task in tasks for name in task.class_names)
    return DataSet("d", "d", names, samples, tasks=tasks)


def findings(data: DataSet) -> list[tuple[FindingKind, bool, str, int]]:
    return [
        (item.kind, item.is_problem, item.message, len(item.examples))
        for item in class_findings(data, splits_of(data))
    ]


def test_balanced_tasks_have_no_findings() -> None:
    answers: list[Answers] = [((number % 2,), (number % 3,)) for number in range(18)]
    assert findings(data_set((HABITAT, TAGS), answers, answers)) == []


def test_labels_are_counted_by_task() -> None:
    answers: list[Answers] = [((0,), (0, 1)), (None, (0, 1, 2)), ((1,), ()), ((1,), None)]
    assert task_labels(data_set((HABITAT, TAGS), answers, [])) == (
        TaskLabels(4, 1, 0, 3, {}),
        TaskLabels(4, 1, 1, 5, {(0, 1): 2, (0, 2): 1, (1, 2): 1}),
    )


def test_problems_name_their_task_where_there_are_several() -> None:
    train: list[Answers] = [*[((0,), (0,))] * 50, *[((0,), (1,))] * 4]
    assert findings(data_set((HABITAT, TAGS), train, [((1,), (2,))])) == [
        (FindingKind.MISSING_CLASS, True, "1 of 2 classes of 'habitat' have no readable image in train", 1),
        (FindingKind.MISSING_CLASS, True, "1 of 2 classes of 'habitat' have no readable image in val", 1),
        (FindingKind.MISSING_CLASS, True, "1 of 3 classes of 'tags' have no readable image in train", 1),
        (FindingKind.MISSING_CLASS, True, "2 of 3 classes of 'tags' have no readable image in val", 2),
        (FindingKind.FEW_IMAGES, True, "1 of 3 classes of 'tags' have fewer than 5 training images", 1),
        (FindingKind.IMBALANCE, True, "bird has 50 training images, deer has 4: consider --class-weights balanced", 0),
    ]  # fmt: skip


def test_labels_that_tell_nothing_apart() -> None:
    train: list[Answers] = [((0, 1, 2),), ((0,),)] * 6
    assert findings(data_set((TAGS,), train, [((0, 1, 2),), (None,)])) == [
        (FindingKind.SAME_LABELS, True, "1 label of 'tags' on every training image: nothing can be learned", 1),
        (FindingKind.SAME_LABELS, False, "1 pair of labels of 'tags' that are always together", 1),
    ]  # fmt: skip


def test_one_class_is_enough_where_an_image_may_have_none() -> None:
    rain = Task("labels", ("rain",), AnswerKind.SEVERAL)
    assert findings(data_set((rain,), [((0,),), ((),)] * 6, [((0,),), ((),)])) == []
    lake = Task("habitat", ("lake",), AnswerKind.ONE)
    assert findings(data_set((lake, TAGS), [((0,), (0, 1, 2)), ((0,), ())] * 6, []))[0] == (
        FindingKind.MISSING_CLASS,
        True,
        "there is only one class of 'habitat', lake",
        0,
    )


def test_a_split_without_known_labels() -> None:
    train: list[Answers] = [((number % 2,), (number % 3,)) for number in range(18)]
    found = findings(data_set((HABITAT, TAGS), train, [(None, (0, 1, 2))]))
    assert (
        FindingKind.UNKNOWN_LABELS,
        True,
        "no readable image in val has a known label of 'habitat'",
        0,
    ) in found


@pytest.mark.parametrize(
    ("tags", "kind", "message"),
    [
        ("deer|bird", FindingKind.DUPLICATES, "1 set of identical images with the same labels: --val-split may put copies into both train and val"),
        ("?", FindingKind.DUPLICATES, "1 set of identical images with the same labels: --val-split may put copies into both train and val"),
        ("", FindingKind.CONFLICTING_LABELS, "1 set of identical images with different labels"),
        ("bird", FindingKind.CONFLICTING_LABELS, "1 set of identical images with different labels"),
    ],
)  # fmt: skip
def test_identical_images_and_their_labels(
    tags: str, kind: FindingKind, message: str, tmp_path: Path
) -> None:
    for number in range(12):
        saved(picture(number), tmp_path / f"{number}.png")
    saved(picture(0), tmp_path / "copy.png")
    rows = [f"{number}.png,{('bird|deer,lake', 'fish,wood')[number % 2]}" for number in range(12)]
    (tmp_path / "list.csv").write_text("\n".join(["path,tags,habitat", *rows, f"copy.png,{tags},lake\n"]))
    health = examined(tmp_path / "list.csv", ListColumns(labels=("habitat",), multi_label=("tags",)))
    assert [(item.kind, item.message) for item in health.findings if item.is_problem] == [(kind, message)]
    assert health.images == {None: 13}


def examined(file: Path, columns: ListColumns) -> DataHealth:
    return examine(read(file, columns), max_pixels=10**6, workers=2)
