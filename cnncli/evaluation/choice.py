"""Which images a network is judged by: those that nobody has learned or chosen from, as far as its run can tell.

A run's splits.csv knows its images. One is taken for the same if it lies in a folder of the same name, under the same name,
and has as many bytes, or has a name and so many bytes that no other has; so data may be moved, classes may be renamed, and
parts of it may be asked about.
"""

import csv
import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from cnncli.errors import DataError
from cnncli.records.data import DataSet, Sample, Split
from cnncli.text import counted

ALL = "all"

SPLITS = "splits.csv"
"""In the folder of a run: which image was in which split."""

_MOST = 0.5
"""Share of the images that a run has to know for its splits to be theirs; of less, those that it learned from are left out."""

_TELLING = 4096
"""Bytes from which another file of the same name hardly ever has exactly as many."""

_Key = tuple[str, str, int]
"""Folder's name, file's name, bytes."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Images to judge by.

    Attributes:
        samples: them.
        split: what they are: train, val, test or all.
        why: in words.
        remarks: what may surprise.
    """

    samples: tuple[Sample, ...]
    split: str
    why: str
    remarks: tuple[str, ...] = ()


def chosen(data: DataSet, asked: str | None, runs: Sequence[Path]) -> Chosen:
    """The images of the split that is asked for; if none is, of test, else of val, else all.

    Args:
        data: as it was found on disk.
        asked: `train`, `val`, `test`, `all`, or None.
        runs: folders of the networks, which may know what they were trained from.

    Raises:
        DataError: the data has no such split, or all of it was learned from.
    """
    known, teachers = _known(data, runs)
    if data.split(Split.VAL):
        return _as_it_says(data, asked, known, teachers)
    if len(known) < _MOST * len(data.samples):
        return _without_learned(data, asked, known, teachers)
    samples = tuple(
        dataclasses.replace(sample, split=known.get(sample.path, sample.split)) for sample in data.samples
    )
    remarks = data.remarks if asked == ALL else (*data.remarks, *_about_strange(samples, known, teachers))
    data = dataclasses.replace(data, samples=samples, remarks=(*remarks, *_about_gone(data, runs)))
    if asked is None and not (data.split(Split.VAL) or data.split(Split.TEST)):
        raise DataError(
            f"{' and '.join(teachers)} learned from every image of {data.root} that it knows: they say nothing of how good it is",
            "--split all asks about them all the same",
        )
    return _select_split(
        data, asked, f"as split for {' and '.join(teachers)}", _learned(data.samples, known, asked)
    )


def _as_it_says(
    data: DataSet, asked: str | None, known: Mapping[str, Split], teachers: Sequence[str]
) -> Chosen:
    """The data has a validation split of its own, which a run may have learned from nevertheless."""
    found = _select_split(data, asked, f"as {data.name} has it", 0)
    learned = 0 if asked == Split.TRAIN else _learned(found.samples, known, None)
    if not learned:
        return found
    told = f"{' and '.join(teachers)} learned from {learned:,} of these {len(found.samples):,} images"
    return dataclasses.replace(found, remarks=(*found.remarks, told))


def _without_learned(
    data: DataSet, asked: str | None, known: Mapping[str, Split], teachers: Sequence[str]
) -> Chosen:
    """The data is none that a run was trained from, though a few of its images may be."""
    learned = [path for path, split in known.items() if split is Split.TRAIN]
    if asked is not None or not learned:
        return _select_split(data, asked, f"as {data.name} has it", len(learned))
    rest = tuple(sample for sample in data.samples if known.get(sample.path) is not Split.TRAIN)
    told = f"left out: {counted(len(learned), 'image')}, from which {' and '.join(teachers)} learned"
    data = dataclasses.replace(data, samples=rest, remarks=(*data.remarks, told))
    return _select_split(data, None, f"as {data.name} has it", 0)


def _select_split(data: DataSet, asked: str | None, whose: str, learned: int) -> Chosen:
    there = [split for split in (Split.TEST, Split.VAL, Split.TRAIN) if data.split(split)]
    remarks = data.remarks
    if asked in {None, ALL}:
        usual = next((split for split in (Split.TEST, Split.VAL) if split in there), None)
        if usual and asked is None:
            return Chosen(data.split(usual), str(usual), whose, remarks)
        why = "which was asked for" if asked else f"{data.name} has neither a test nor a val split"
        if learned:
            remarks = (*remarks, f"the network learned from {learned:,} of these images")
        return Chosen(data.samples, ALL, why, remarks)
    split = Split(asked)
    if split not in there:
        has = f"it has {' and '.join(there)}" if there else "it is not split"
        raise DataError(f"{data.root} has no split {split}: {has}", "leave out --split, or take --split all")
    return Chosen(data.split(split), str(split), f"{whose}, and asked for", remarks)


def _learned(samples: Iterable[Sample], known: Mapping[str, Split], asked: str | None) -> int:
    """How many of them a run learned from, where that may surprise."""
    return 0 if asked == Split.TRAIN else sum(known.get(sample.path) is Split.TRAIN for sample in samples)


# ---- what runs know


def _known(data: DataSet, runs: Sequence[Path]) -> tuple[dict[str, Split], list[str]]:
    """The split of each image by its path, as the runs have it; train, if any says so. And the runs that know one."""
    keys = {sample.path: _key(sample.path) for sample in data.samples} if any(map(_splits, runs)) else {}
    known: dict[str, Split] = {}
    teachers = []
    for run in runs:
        splits, renamed = _splits_of_run(run)
        found = {
            path: split
            for path, key in keys.items()
            if key and (split := splits.get(key) or renamed.get(key[1:]))
        }
        if not found:
            continue
        teachers.append(str(run))
        for path, split in found.items():
            if known.get(path) is not Split.TRAIN:
                known[path] = split
    return known, teachers


def _splits(run: Path) -> bool:
    return (run / SPLITS).is_file()


def _rows(run: Path) -> list[tuple[str, Split, int]]:
    """Path, split and bytes of each image of a run; nothing where there is no such table, or a damaged one."""
    try:
        with (run / SPLITS).open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
            return [(row["path"], Split(row["split"]), int(row["bytes"])) for row in csv.DictReader(stream)]
    except (OSError, KeyError, ValueError, TypeError, csv.Error):
        return []


def _splits_of_run(run: Path) -> tuple[dict[_Key, Split], dict[tuple[str, int], Split]]:
    """The split of each image; and once more without its folder, which may have been renamed, where that says enough."""
    rows = [(PurePath(path), split, size) for path, split, size in _rows(run)]
    counts = Counter((path.name, size) for path, _, size in rows)
    return {(path.parent.name, path.name, size): split for path, split, size in rows}, {
        (path.name, size): split
        for path, split, size in rows
        if size >= _TELLING and counts[path.name, size] == 1
    }


def _key(path: str) -> _Key | None:
    try:
        size = Path(path).stat().st_size
    except (OSError, ValueError):
        return None
    return PurePath(path).parent.name, PurePath(path).name, size


def _about_gone(data: DataSet, runs: Sequence[Path]) -> Sequence[str]:
    """Images that were held out and are nowhere in the data, each once; a folder may have been renamed."""
    here = {(PurePath(sample.path).parent.name, PurePath(sample.path).name) for sample in data.samples}
    missing = {
        path: size
        for run in runs
        for path, split, size in _rows(run)
        if split is not Split.TRAIN and (PurePath(path).parent.name, PurePath(path).name) not in here
    }
    renamed = {key[1:] for sample in data.samples if missing and (key := _key(sample.path))}
    gone = [path for path, size in missing.items() if (PurePath(path).name, size) not in renamed]
    return (f"no longer there: {len(gone):,} of the images that were held out, as {gone[0]}",) if gone else ()


def _about_strange(
    samples: Sequence[Sample], known: Mapping[str, Split], teachers: Sequence[str]
) -> Sequence[str]:
    strange = [sample.path for sample in samples if sample.path not in known]
    if not strange:
        return ()
    whose = f"that {' and '.join(teachers)} neither learned from nor held out"
    told = f"left out: {counted(len(strange), 'image')} {whose}, as {strange[0]}: new, or could not be read"
    return (told,)
