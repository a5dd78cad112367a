"""Which images a model is evaluated on: those that its training run held out, as far as the run can tell."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from cnncli.data.split_matching import KnownSplits, match_splits
from cnncli.dataclass import frozen_dataclass
from cnncli.errors import DataError
from cnncli.records.data import DataSet, Sample, Split
from cnncli.text import counted

ALL = "all"

_KNOWN_SHARE = 0.5
"""Share of the images that must be in the runs' splits for these to be used; below it, only their training images are left out."""


@frozen_dataclass
class Selection:
    """Images to evaluate on.

    Attributes:
        samples: the images.
        split: train, val, test or all.
        split_source: where the split comes from, as text.
        remarks: what may be unexpected, one line each.
    """

    samples: tuple[Sample, ...]
    split: str
    split_source: str
    remarks: tuple[str, ...] = ()


def select_samples(data: DataSet, requested: str | None, runs: Sequence[Path]) -> Selection:
    """The images of the requested split; by default those of test, else of val, else all.

    Args:
        data: as it was found on disk.
        requested: `train`, `val`, `test`, `all`, or None.
        runs: folders of the models, whose splits.csv may know the images.

    Raises:
        DataError: the data has no such split, or the runs trained on all of it.
    """
    known = match_splits(data, runs)
    data = dataclasses.replace(data, remarks=(*data.remarks, *known.remarks))
    if data.split(Split.VAL):
        return _by_data(data, requested, known)
    if len(known.splits) < _KNOWN_SHARE * len(data.samples):
        return _without_training_images(data, requested, known)
    return _by_runs(data, requested, known)


def _by_runs(data: DataSet, requested: str | None, known: KnownSplits) -> Selection:
    """Most of the data is that of the runs: their splits apply."""
    samples = tuple(
        dataclasses.replace(sample, split=known.splits.get(sample.path, sample.split))
        for sample in data.samples
    )
    remarks = () if requested == ALL else _unknown_remarks(samples, known)
    remarks = (*data.remarks, *remarks, *_missing_remarks(known))
    data = dataclasses.replace(data, samples=samples, remarks=remarks)
    names = " and ".join(known.runs)
    if requested is None and not (data.split(Split.VAL) or data.split(Split.TEST)):
        raise DataError(
            f"{names} trained on every image of {data.title} that it knows: they cannot show how good it is",
            "--split all evaluates on them anyway",
        )
    return _select_split(
        data, requested, f"split saved in {names}", _count_trained_on(data.samples, known, requested)
    )


def _by_data(data: DataSet, requested: str | None, known: KnownSplits) -> Selection:
    """The data has a validation split of its own, though a run may have trained on some of it."""
    selection = _select_split(data, requested, f"split given by {data.name}", 0)
    trained_on = _count_trained_on(selection.samples, known, requested)
    if not trained_on:
        return selection
    remark = (
        f"{' and '.join(known.runs)} trained on {trained_on:,} of these {len(selection.samples):,} images"
    )
    return dataclasses.replace(selection, remarks=(*selection.remarks, remark))


def _without_training_images(data: DataSet, requested: str | None, known: KnownSplits) -> Selection:
    """The data is not that of a run, though a run may have trained on a few of its images."""
    source = f"split given by {data.name}"
    unseen = tuple(sample for sample in data.samples if not known.is_trained_on(sample))
    trained_on = len(data.samples) - len(unseen)
    if requested is not None or not trained_on:
        return _select_split(data, requested, source, trained_on)
    remark = f"left out: {counted(trained_on, 'image')} that {' and '.join(known.runs)} trained on"
    data = dataclasses.replace(data, samples=unseen, remarks=(*data.remarks, remark))
    return _select_split(data, None, source, 0)


def _select_split(data: DataSet, requested: str | None, source: str, trained_on: int) -> Selection:
    present = [split for split in (Split.TEST, Split.VAL, Split.TRAIN) if data.split(split)]
    if requested in {None, ALL}:
        default = next((split for split in (Split.TEST, Split.VAL) if split in present), None)
        if default and requested is None:
            return Selection(data.split(default), str(default), source, data.remarks)
        source = "requested with --split" if requested else f"{data.name} has no val or test split"
        remark = (f"the model was trained on {trained_on:,} of these images",) if trained_on else ()
        return Selection(data.samples, ALL, source, (*data.remarks, *remark))
    split = Split(requested)
    if split not in present:
        others = f"it has {' and '.join(present)}" if present else "it is not split"
        raise DataError(
            f"{data.title} has no {split} split: {others}", "leave out --split, or use --split all"
        )
    return Selection(data.split(split), str(split), source, data.remarks)


def _count_trained_on(samples: Sequence[Sample], known: KnownSplits, requested: str | None) -> int:
    """Number of images that a run trained on; 0 if training images were requested."""
    return 0 if requested == Split.TRAIN else sum(map(known.is_trained_on, samples))


def _missing_remarks(known: KnownSplits) -> tuple[str, ...]:
    if not known.missing:
        return ()
    return (f"missing: {len(known.missing):,} of the held-out images, e.g. {known.missing[0]}",)


def _unknown_remarks(samples: Sequence[Sample], known: KnownSplits) -> tuple[str, ...]:
    unknown = [sample.path for sample in samples if sample.path not in known.splits]
    if not unknown:
        return ()
    runs = " and ".join(known.runs)
    images = f"{counted(len(unknown), 'image')} that {runs} neither trained on nor held out"
    return (f"left out: {images}, e.g. {unknown[0]}: new, or unreadable at the time",)
