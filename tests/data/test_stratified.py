"""Splits: stratified, the same for the same seed wherever the data lies, and fit to learn from or refused."""

import dataclasses
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnncli.data.stratified import split_stratified
from cnncli.errors import DataError
from cnncli.images.local_file import LocalFile
from cnncli.records.data import NO_LABEL, DataSet, Sample, Split
from cnncli.records.tasks import AnswerKind, Task


def data_set(counts: Mapping[str, int], root: str = "data", split: Split | None = None) -> DataSet:
    names = tuple(counts)
    samples = tuple(
        Sample(LocalFile(f"{root}/{name}/{number}.jpg"), label, split)
        for label, name in enumerate(names)
        for number in range(counts[name])
    )
    return DataSet("data", root, names, samples)


@pytest.mark.slow
@given(
    counts=st.lists(st.integers(2, 60), min_size=2, max_size=6),
    share=st.floats(0.05, 0.9),
    seed=st.integers(0, 99),
)
def test_each_class_is_split_in_proportion_and_keeps_training_images(
    counts: list[int], share: float, seed: int
) -> None:
    actual = split_stratified(
        data_set({f"c{index}": count for index, count in enumerate(counts)}), share, seed
    )
    train, val = actual.count(Split.TRAIN), actual.count(Split.VAL)
    for count, learned, held in zip(counts, train, val, strict=True):
        assert learned + held == count
        assert learned >= 1
        assert held >= 1
        assert abs(held - share * count) <= 1


def test_the_same_seed_gives_the_same_split_at_another_path() -> None:
    first, second = (
        split_stratified(data_set({"a": 30, "b": 20}, root), 0.2, 7) for root in ("here", "there/is")
    )
    for one, other in zip(first.samples, second.samples, strict=True):
        assert (one.path.removeprefix("here/"), one.split) == (
            other.path.removeprefix("there/is/"),
            other.split,
        )
    assert split_stratified(data_set({"a": 30, "b": 20}, "here"), 0.2, 8).samples != first.samples


def test_additional_images_hardly_change_the_split_of_others() -> None:
    before = {
        sample.path: sample.split for sample in split_stratified(data_set({"a": 100, "b": 5}), 0.2, 0).samples
    }
    after = {
        sample.path: sample.split for sample in split_stratified(data_set({"a": 110, "b": 5}), 0.2, 0).samples
    }
    moved = [path for path, split in before.items() if after[path] is not split]
    assert len(moved) <= 4


def test_an_existing_validation_split_is_kept_and_test_never_replaces_it() -> None:
    train, test = data_set({"a": 10, "b": 10}, split=Split.TRAIN), data_set({"a": 3, "b": 3}, "t", Split.TEST)
    both = dataclasses.replace(train, samples=train.samples + test.samples)
    actual = split_stratified(both, 0.2, 0)
    assert (sum(actual.count(Split.TRAIN)), sum(actual.count(Split.VAL)), sum(actual.count(Split.TEST))) == (
        16,
        4,
        6,
    )
    val = data_set({"a": 1, "b": 0}, "v", Split.VAL)
    given_ = dataclasses.replace(train, samples=train.samples + val.samples)
    assert split_stratified(given_, 0.2, 0).count(Split.VAL) == [1, 0]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (data_set({"only": 9}), "has only one class, 'only'"),
        (data_set({"a": 1, "b": 1}), "each class of data has only one image"),
        (
            data_set({"a": 1, "b": 1}, root=""),
            "each class of data has only one image",
        ),  # archives in the current folder
        (data_set({"a": 4, "b": 4}, split=Split.TEST), "has no training images"),
    ],
)
def test_data_that_cannot_be_learned_from_is_an_error(data: DataSet, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        split_stratified(data, 0.2, 0)


def test_messages_call_data_in_the_current_folder_by_name() -> None:
    titles = [DataSet("pets", root, (), ()).title for root in ("", ".", "photos")]
    assert titles == ["pets", "pets", "photos"]


def test_a_class_that_is_only_in_validation_is_named() -> None:
    train, val = (
        data_set({"a": 4, "b": 4, "new": 0}, split=Split.TRAIN),
        data_set({"a": 1, "b": 1, "new": 2}, "v", Split.VAL),
    )
    with pytest.raises(DataError, match="has no training image of 'new'"):
        split_stratified(dataclasses.replace(train, samples=train.samples + val.samples), 0.2, 0)


HABITAT = Task("habitat", ("lake", "wood"), AnswerKind.ONE)
TAGS = Task("tags", ("bird", "deer"), AnswerKind.SEVERAL)


def with_tasks(*answers: tuple[tuple[int, ...] | None, ...]) -> DataSet:
    """Images with these answers, in order; those after the fourth are for validation."""
    samples = tuple(
        Sample(LocalFile(f"data/{number}.jpg"), NO_LABEL, Split.VAL if number > 3 else Split.TRAIN, answer)
        for number, answer in enumerate(answers)
    )
    return DataSet("data", "data", HABITAT.class_names + TAGS.class_names, samples, (), (HABITAT, TAGS))


def test_tasks_are_split_together_and_one_without_labels_does_not_count() -> None:
    answers = [((number % 2,), (0,) * (number % 10 == 0)) for number in range(60)]
    learnable = [*answers, *[(None, (1,))] * 20, *[((0,), None)] * 20]
    data = with_tasks(*learnable)
    unsplit = tuple(dataclasses.replace(sample, split=None) for sample in data.samples)
    data = split_stratified(dataclasses.replace(data, samples=unsplit), 0.2, 0)
    assert data.count(Split.VAL) == [10, 6, 1, 4]


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        ([((0,), (0,)), ((1,), ()), ((1,), None), (None, ()), ((0,), (0,))], "data has no training image of 'deer'"),
        (
            [((0,), (0,)), ((1,), (1,)), ((1,), None), (None, ()), (None, (0,))],
            "no validation image of data has a known label in 'habitat'",
        ),
        (
            [((0,), (0,)), ((1,), (0, 1)), ((1,), None), (None, (0,)), ((0,), (0,))],
            "every training image of data has the label 'bird' in 'tags': nothing can be learned",
        ),
    ],
)  # fmt: skip
def test_tasks_that_cannot_be_learned_are_an_error(
    answers: list[tuple[tuple[int, ...] | None, ...]], complaint: str
) -> None:
    with pytest.raises(DataError) as caught:
        split_stratified(with_tasks(*answers), 0.2, 0)
    assert caught.value.message == complaint
