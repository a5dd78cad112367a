"""Groups of images: found in columns and paths, never in two splits, and listed where they are."""

import dataclasses
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold

from cnncli.data.folds import group_numbers, main_classes, stratified_folds
from cnncli.data.groups import divided_groups, group_findings
from cnncli.data.layout import read
from cnncli.data.stratified import split_stratified
from cnncli.errors import DataError, UsageError
from cnncli.images.local_file import LocalFile
from cnncli.records.data import DataSet, FindingKind, Sample, Split
from cnncli.records.list_columns import ListColumns


def filmed(cameras: int, each: int = 5, split: Split | None = None) -> DataSet:
    """Two classes; each camera has images of both, the first one more than the others."""
    samples = [
        Sample(LocalFile(f"data/{name}/cam{camera}-{number}.jpg"), label, split, group=f"cam{camera}")
        for label, name in enumerate(("cat", "dog"))
        for camera in range(cameras)
        for number in range(each + 5 * (camera == 0))
    ]
    return DataSet("data", "data", ("cat", "dog"), tuple(samples))


def groups_of(data: DataSet, split: Split) -> set[str]:
    return {sample.group for sample in data.split(split)}


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_whole_groups_are_held_out(share: float) -> None:
    data = split_stratified(filmed(10), share, 0)
    assert groups_of(data, Split.TRAIN).isdisjoint(groups_of(data, Split.VAL))
    assert abs(len(data.split(Split.VAL)) / len(data.samples) - share) < 0.1
    assert min(data.count(Split.VAL)) > 0
    assert data == split_stratified(filmed(10), share, 0)


def test_images_without_a_group_are_split_one_by_one() -> None:
    mixed = filmed(3)
    alone = [dataclasses.replace(sample, group="") for sample in filmed(4, 20).samples]
    data = split_stratified(dataclasses.replace(mixed, samples=(*mixed.samples, *alone)), 0.2, 0)
    assert not divided_groups(data)
    assert {sample.split for sample in data.samples if not sample.group} == {Split.TRAIN, Split.VAL}


def test_a_class_that_only_one_group_has_is_learned() -> None:
    data = filmed(5)
    rare = tuple(Sample(LocalFile(f"data/owl/{number}.jpg"), 2, None, group="cam3") for number in range(4))
    data = dataclasses.replace(data, class_names=("cat", "dog", "owl"), samples=data.samples + rare)
    for seed in range(5):
        assert split_stratified(data, 0.2, seed).count(Split.TRAIN)[2] == 4


def by_class(data: DataSet) -> DataSet:
    return dataclasses.replace(
        data, samples=tuple(dataclasses.replace(sample, group=str(sample.label)) for sample in data.samples)
    )


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (filmed(1), "all images of data are of one group, 'cam0': none can be held out"),
        (by_class(filmed(4)), r"data cannot be split by group: '(cat|dog)' is in 1 of 2 groups"),
        (
            dataclasses.replace(
                filmed(2),
                samples=filmed(2, split=Split.TRAIN).samples + filmed(1, split=Split.VAL).samples,
            ),
            "data has images of the group 'cam0' in train and val",
        ),
    ],
)
def test_groups_that_cannot_be_kept_apart_are_an_error(data: DataSet, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        split_stratified(data, 0.2, 0)


def test_the_groups_of_a_column_and_of_paths(tmp_path: Path) -> None:
    rows = [("a/cam1_0.jpg", "a", "north"), ("a/cam2_0.jpg", "a", ""), ("b/cam1_1.jpg", "b", "north")]
    for path, *_ in rows:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    lines = [",path,label,site", *(f"{number},{','.join(row)}" for number, row in enumerate(rows))]
    file = tmp_path / "list.csv"
    file.write_text("\n".join(lines))
    data = read(file, ListColumns(group="site"))
    assert [sample.group for sample in data.samples] == ["north", "", "north"]
    assert data.remarks == ("1 image without a group, e.g. a/cam2_0.jpg",)
    assert {sample.group for sample in read(file).samples} == {""}  # not the unnamed column
    for source in (file, tmp_path):
        data = read(source, ListColumns(group_by=r"/(cam)(\d)"))
        assert [sample.group for sample in data.samples] == ["cam/1", "cam/2", "cam/1"]
    data = read(tmp_path, ListColumns(group_by=r"cam1|^b/"))
    assert [sample.group for sample in data.samples] == ["cam1", "", "b/"]
    with pytest.raises(DataError, match=r"'dog' is found in no path of .*, e.g. not in a/cam1_0.jpg"):
        read(tmp_path, ListColumns(group_by="dog"))
    with pytest.raises(UsageError, match=r"^--root and --group-column: .* is not a list"):
        read(tmp_path, ListColumns(group="site", root="x"))
    with pytest.raises(UsageError, match=r"'[(]' is not a regular expression"):
        ListColumns(group_by="(")


def test_findings_name_the_groups_in_several_splits() -> None:
    train, val = filmed(3, split=Split.TRAIN), filmed(2, split=Split.VAL)
    data = dataclasses.replace(train, samples=train.samples + val.samples)
    (finding,) = group_findings(data)
    assert (finding.kind, finding.is_problem) == (FindingKind.LEAKAGE, True)
    assert finding.message.startswith("2 groups in several splits")
    assert finding.examples == (("cam0: train, val",), ("cam1: train, val",))
    assert not list(group_findings(train))


def test_folds_hold_out_each_image_once_and_groups_as_a_whole() -> None:
    data = filmed(6)
    labels, groups = main_classes(data, data.samples), group_numbers(data.samples)
    assert groups is not None
    folds = stratified_folds(labels, groups, 4, 0)
    assert sorted(np.concatenate([held_out for _, held_out in folds])) == list(range(len(labels)))
    for rest, held_out in folds:
        assert set(groups[rest]).isdisjoint(groups[held_out])


@pytest.mark.parametrize("count", [2, 5])
def test_folds_without_groups_are_those_of_scikit_learn(count: int) -> None:
    labels = np.random.default_rng(3).choice([4, 0, 2, 7], 61, p=[0.5, 0.3, 0.15, 0.05])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about the rare class
        expected = list(StratifiedKFold(count, shuffle=True, random_state=9).split(labels, labels))
    for own, theirs in zip(stratified_folds(labels, None, count, 9), expected, strict=True):
        assert [part.tolist() for part in own] == [part.tolist() for part in theirs]
    alone = stratified_folds(labels, np.arange(61), count, 9)
    assert [held_out.tolist() for _, held_out in alone] == [held_out.tolist() for _, held_out in expected]


def test_images_without_companions_are_dealt_out_class_by_class() -> None:
    labels = np.repeat([0, 1], [40, 10])
    groups = np.arange(50)
    groups[:8] = 100  # one group of several images
    folds = stratified_folds(labels, groups, 5, 0)
    assert sorted(np.concatenate([held_out for _, held_out in folds])) == list(range(50))
    assert all(
        np.bincount(labels[held_out[groups[held_out] < 100]]).tolist()[1:] == [2] for _, held_out in folds
    )
    assert sum(100 in groups[held_out] for _, held_out in folds) == 1
    assert len(stratified_folds(np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]), 5, 0)) == 2
