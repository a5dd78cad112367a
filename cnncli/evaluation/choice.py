"""Which images a network is judged by: best those that nobody has learned or chosen from."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cnncli.data import layout
from cnncli.data.layout import ListColumns
from cnncli.errors import CnncliError, DataError
from cnncli.records.data import DataSet, Part, Sample

ALL = "all"

SPLITS = "splits.csv"
"""In the folder of a run: which image was in which part."""

_MOST = 0.5
"""Share of the images that a run has to know for the data to be what it was trained from."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Images to judge by.

    Attributes:
        samples: them.
        part: what they are: train, val, test or all.
        why: in words.
        remarks: what may surprise.
    """

    samples: tuple[Sample, ...]
    part: str
    why: str
    remarks: tuple[str, ...] = ()


def chosen(data: DataSet, asked: str | None, runs: Sequence[Path]) -> Chosen:
    """The images of the part that is asked for; if none is, of test, else of val, else all.

    Args:
        data: as it was found on disk.
        asked: `train`, `val`, `test`, `all`, or None.
        runs: folders of the networks, which may know what they were trained from.

    Raises:
        DataError: the data has no such part.
    """
    known = {} if data.part(Part.VAL) else _known(data, runs)
    remarks: tuple[str, ...] = ()
    whose = f"as {data.name} has it"
    if known:
        names = [os.path.normpath(data.relative(sample.path)) for sample in data.samples]
        here = set(names)
        samples = tuple(
            dataclasses.replace(sample, part=known.get(name, sample.part))
            for sample, name in zip(data.samples, names, strict=True)
        )
        data = dataclasses.replace(data, samples=samples)
        whose = f"as {runs[0]} was trained"
        remarks = (*_about_gone(known, here), *_about_new(samples))
    there = [part for part in (Part.TEST, Part.VAL, Part.TRAIN) if data.part(part)]
    if asked in {None, ALL}:
        usual = next((part for part in (Part.TEST, Part.VAL) if part in there), None)
        if usual and asked is None:
            return Chosen(data.part(usual), str(usual), whose, remarks)
        why = "which was asked for" if asked else f"{data.name} has neither a test nor a val part"
        return Chosen(data.samples, ALL, why, remarks if asked else data.remarks)
    part = Part(asked)
    if part not in there:
        has = f"it has {' and '.join(there)}" if there else "it is not split"
        raise DataError(f"{data.root} has no part {part}: {has}", "leave out --split, or take --split all")
    return Chosen(data.part(part), str(part), f"{whose}, and asked for", remarks)


def _known(data: DataSet, runs: Sequence[Path]) -> Mapping[str, Part]:
    """The part of each image by its path, as the runs had it that were trained from this data; train, if any says so."""
    known: dict[str, Part] = {}
    for run in runs:
        if not (run / SPLITS).is_file():
            continue
        try:
            splits = layout.read(run / SPLITS, ListColumns(root=Path(data.root)))
        except CnncliError:  # nothing of it is here, or it is damaged: then it says nothing
            continue
        found = {os.path.normpath(data.relative(sample.path)): sample.part for sample in splits.samples}
        here = sum(os.path.normpath(data.relative(sample.path)) in found for sample in data.samples)
        if here < _MOST * len(data.samples):
            continue
        for path, part in found.items():
            if part and known.get(path) is not Part.TRAIN:
                known[path] = part
    return known


def _about_gone(known: Mapping[str, Part], here: set[str]) -> Sequence[str]:
    gone = [path for path, part in known.items() if part is not Part.TRAIN and path not in here]
    if not gone:
        return ()
    return (f"{len(gone):,} images that were held out in training are not there any more, as {gone[0]}",)


def _about_new(samples: Sequence[Sample]) -> Sequence[str]:
    new = [sample.path for sample in samples if sample.part is None]
    if not new:
        return ()
    return (f"{len(new):,} images have come since the training, as {new[0]}; --split all takes them, too",)
