"""Recognise the images of earlier runs in a data set, so that nothing is evaluated on training images.

An image is recognised by the digest of its bytes, whatever its name and folder: data may be moved, classes may be renamed, and a
part of the data may be evaluated. Of several identical images, the one whose path is most alike is meant.

Tables of schema 1 have no digests. There an image is recognised by the names of its folder and its file and by its size in
bytes; where its folder has another name, by file name and size, if these are unique and the file is large enough.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath

from cnncli.data.splits import SPLITS, SplitRow, read_rows, sizes_in_bytes
from cnncli.dataclass import frozen_dataclass
from cnncli.errors import DataError
from cnncli.files.csv_tables import listed_path
from cnncli.images.digest import PARTIAL, image_digests
from cnncli.images.sources import image_source
from cnncli.records.data import DataSet, Sample, Split

_UNIQUE_SIZE = 4096
"""Size in bytes from which two different files of the same name hardly ever have the same size."""

_Key = tuple[str | int, ...]
"""What identifies an image: size and digest; folder name, file name and size; or file name and size."""

_Index = Mapping[_Key, Sequence[SplitRow]]


@frozen_dataclass
class KnownSplits:
    """The splits that the images of a data set had in earlier runs.

    Attributes:
        splits: of the images that occur in a run, by path; train if any run trained on the image.
        runs: the folders of the runs in which any of the images occur.
        missing: paths of images that a run held out and that are not in the data, each once.
        remarks: one line for each table that cannot be used.
    """

    splits: Mapping[str, Split]
    runs: tuple[str, ...]
    missing: tuple[str, ...]
    remarks: tuple[str, ...]

    def is_trained_on(self, sample: Sample) -> bool:
        """Whether a run trained on an image."""
        return self.splits.get(sample.path) is Split.TRAIN


def match_splits(data: DataSet, runs: Sequence[Path]) -> KnownSplits:
    """Match a data set with the splits.csv of some runs; folders without one are skipped."""
    tables, remarks = _tables(runs)
    keys = _sample_keys(data.samples, [row for rows in tables.values() for row in rows]) if tables else {}
    splits: dict[str, Split] = {}
    matching_runs: list[str] = []
    for run, rows in tables.items():
        matches = dict(_matches(keys, _index(rows)))
        matching_runs += [str(run)] if matches else []
        splits |= {path: split for path, split in matches.items() if splits.get(path) is not Split.TRAIN}
    missing = dict.fromkeys(path for rows in tables.values() for path in _missing_held_out(keys, rows))
    return KnownSplits(splits, tuple(matching_runs), tuple(missing), tuple(remarks))


def _tables(runs: Iterable[Path]) -> tuple[dict[Path, list[SplitRow]], list[str]]:
    """The rows of each run that has a table, and remarks on tables that cannot be used."""
    tables: dict[Path, list[SplitRow]] = {}
    remarks = []
    for run in runs:
        if (run / SPLITS).is_file():
            try:
                tables[run] = read_rows(run)
            except DataError as error:
                remarks.append(str(error))
    return tables, remarks


def changed_images(rows: Sequence[SplitRow], root: str) -> list[str]:
    """Paths of those images of a table that are missing below `root`, or have other bytes than when it was written."""
    known = [(row.path, row.digest) for row in rows if row.digest]
    sources = [image_source(listed_path(root, path)) for path, _ in known]
    digests = image_digests(sources, [digest.startswith(PARTIAL) for _, digest in known])
    return [path for (path, digest), now in zip(known, digests, strict=True) if digest != now]


# ---- what identifies an image


def _sample_keys(samples: Sequence[Sample], rows: Iterable[SplitRow]) -> dict[str, list[_Key]]:
    """The keys of each sample, by path: a file is only read if a row has its size."""
    is_partial = defaultdict(set)
    for row in rows:
        if row.digest:
            is_partial[row.size].add(row.digest.startswith(PARTIAL))
    sizes = {sample.path: size for sample, size in zip(samples, sizes_in_bytes(samples), strict=True)}
    pairs = [(sample, part) for sample in samples for part in is_partial.get(sizes[sample.path], ())]
    digests = image_digests([sample.source for sample, _ in pairs], [part for _, part in pairs])
    keys: dict[str, list[_Key]] = {path: [] for path in sizes}
    for (sample, _), digest in zip(pairs, digests, strict=True):
        if digest:
            keys[sample.path].append((sizes[sample.path] or 0, digest))
    for path, size in sizes.items():
        if size is not None:
            keys[path] += _name_keys(path, size)
    return keys


def _name_keys(path: str, size: int) -> tuple[_Key, _Key]:
    name = PurePath(path)
    return (name.parent.name, name.name, size), (name.name, size)


def _row_keys(rows: Iterable[SplitRow]) -> Iterator[tuple[SplitRow, list[_Key]]]:
    """The keys of each row of a table; none if its file was missing or unreadable."""
    rows = [row for row in rows if row.size is not None]
    counts = Counter(_name_keys(row.path, row.size or 0)[1] for row in rows)
    for row in rows:
        size = row.size or 0
        if row.schema > 1:
            yield row, [(size, row.digest)] if row.digest else []
            continue
        with_folder, name_alone = _name_keys(row.path, size)
        is_unique = size >= _UNIQUE_SIZE and counts[name_alone] == 1
        yield row, [with_folder, name_alone] if is_unique else [with_folder]


def _index(rows: Iterable[SplitRow]) -> _Index:
    index = defaultdict(list)
    for row, keys in _row_keys(rows):
        for key in keys:
            index[key].append(row)
    return index


# ---- matching


def _matches(keys: Mapping[str, Sequence[_Key]], index: _Index) -> Iterator[tuple[str, Split]]:
    """Paths of images that are in a table, and their splits."""
    for path, sample_keys in keys.items():
        if rows := next((index[key] for key in sample_keys if key in index), None):
            yield path, _closest_split(path, rows)


def _closest_split(path: str, rows: Sequence[SplitRow]) -> Split:
    """The split of the row whose path ends most like this one; train where several do."""
    if len(rows) == 1:
        return rows[0].split
    lengths = [_common_end(PurePath(path).parts, PurePath(row.path).parts) for row in rows]
    splits = {row.split for row, length in zip(rows, lengths, strict=True) if length == max(lengths)}
    return next(split for split in Split if split in splits)


def _common_end(first: Sequence[str], second: Sequence[str]) -> int:
    """Number of last parts that two paths have in common."""
    pairs = zip(reversed(first), reversed(second), strict=False)
    return next(
        (number for number, (one, other) in enumerate(pairs) if one != other), min(len(first), len(second))
    )


def _missing_held_out(keys: Mapping[str, Sequence[_Key]], rows: Sequence[SplitRow]) -> Iterator[str]:
    """Paths of held-out images of a table that are not in the data."""
    present = {key for sample_keys in keys.values() for key in sample_keys}
    for row, row_keys in _row_keys(rows):
        if row.split is not Split.TRAIN and row_keys and present.isdisjoint(row_keys):
            yield row.path
