"""Is a data set fit to learn from: everything that can be seen before any training."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cnncli.data.likeness import Fingerprint, fingerprint, groups
from cnncli.images.decode import Decoding, Header, decode, header
from cnncli.images.in_memory import InMemory
from cnncli.records.data import DataFinding, DataHealth, DataSet, Sample, Split, Trouble
from cnncli.records.predictions import ImageSource, Unreadable, UnreadableError
from cnncli.text import counted

FEWEST = 5
"""Training images of a class below which hardly anything can be learned of it."""

IMBALANCE = 10
"""Times as many images as the smallest class has, from which the largest drowns it."""

SMALL, LONG = 32, 4
"""Pixels of the shorter side below which little can be seen; ratio of the sides from which a crop loses most."""

_USUAL_MODES = {"RGB", "L"}
_THUMBNAIL = (64, 64)
_AT_ONCE = 256
"""Images under way: a bound on what waits in memory."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was seen of an image: why it cannot be read, or what it is like."""

    reason: str | None
    header: Header | None = None
    digest: str | None = None
    fingerprint: Fingerprint | None = None


def examine(
    data: DataSet, *, max_pixels: int, workers: int, advance: Callable[[], None] = lambda: None
) -> DataHealth:
    """Open every image of a data set, and say what is wrong with it.

    Args:
        data: as it was found on disk.
        max_pixels: larger images are not decoded.
        workers: threads that decode.
        advance: called once for each image.
    """
    seen: list[_Seen] = []
    with ThreadPoolExecutor(workers, thread_name_prefix="examine") as pool:
        for some in _batched(data.samples, _AT_ONCE):
            for one in pool.map(lambda sample: _look(sample, max_pixels), some):
                seen.append(one)
                advance()
    findings = [
        *_unreadable(data, seen),
        *(DataFinding(Trouble.LEFT_OUT, False, remark) for remark in data.remarks),
        *_classes(data, seen),
        *_likeness(data, seen),
        *_shapes(data, seen),
    ]
    sizes = sorted((one.header.size for one in seen if one.header), key=lambda size: size[0] * size[1])
    return DataHealth(
        data,
        {split: tuple(_count(data, seen, split)) for split in _splits(data)},
        (sizes[0], sizes[len(sizes) // 2], sizes[-1]) if sizes else (),
        dict(Counter(f"{one.header.mode} {one.header.format}" for one in seen if one.header).most_common()),
        tuple(sorted(findings, key=lambda finding: not finding.harms)),
    )


def _look(sample: Sample, max_pixels: int) -> _Seen:
    source, digest = _content(sample.source)
    found = header(source)
    image = decode(source, Decoding(max_pixels=max_pixels, target_size=lambda _: _THUMBNAIL))
    if isinstance(found, Unreadable) or isinstance(image, Unreadable):
        return _Seen(next(item.reason for item in (found, image) if isinstance(item, Unreadable)))
    return _Seen(None, found, digest, fingerprint(image))


def _content(source: ImageSource) -> tuple[ImageSource, str | None]:
    """The image in memory and the SHA-256 of its bytes; what cannot be read is left for the decoder to report."""
    try:
        with source.open() as stream:
            data = stream.read()
    except (OSError, UnreadableError):
        return source, None
    return InMemory(source.path, data), hashlib.sha256(data).hexdigest()


def _batched(samples: Sequence[Sample], size: int) -> Iterator[Sequence[Sample]]:
    for start in range(0, len(samples), size):
        yield samples[start : start + size]


# ---- findings


def _unreadable(data: DataSet, seen: Sequence[_Seen]) -> Iterator[DataFinding]:
    bad = [(sample.path, one.reason) for sample, one in zip(data.samples, seen, strict=True) if one.reason]
    if bad:
        told = f"{len(bad):,} of {len(seen):,} images cannot be read"
        yield DataFinding(
            Trouble.UNREADABLE, True, told, tuple((f"{data.relative(path)}: {why}",) for path, why in bad)
        )


def _splits(data: DataSet) -> list[Split | None]:
    return [split for split in (*Split, None) if any(sample.split is split for sample in data.samples)]


def _count(data: DataSet, seen: Sequence[_Seen], split: Split | None) -> list[int]:
    counts = [0] * len(data.class_names)
    for sample, one in zip(data.samples, seen, strict=True):
        if sample.split is split and not one.reason:
            counts[sample.label] += 1
    return counts


def _classes(data: DataSet, seen: Sequence[_Seen]) -> Iterator[DataFinding]:
    """What there is too little of."""
    if len(data.class_names) == 1:
        yield DataFinding(
            Trouble.MISSING_CLASS,
            True,
            f"there is one class only, {data.class_names[0]}: nothing to tell apart",
        )
    splits = _splits(data)
    for split in splits:
        counts = _count(data, seen, split)
        names = [name for name, count in zip(data.class_names, counts, strict=True) if not count]
        if names:
            where = f"in {split}" if split else "that can be read"
            told = f"{len(names):,} of {len(counts):,} classes have no image {where}"
            yield DataFinding(Trouble.MISSING_CLASS, True, told, tuple((name,) for name in names))
    learned = Split.TRAIN if Split.TRAIN in splits else None
    counts = _count(data, seen, learned)
    few = [(name, count) for name, count in zip(data.class_names, counts, strict=True) if 0 < count < FEWEST]
    if few:
        told = f"{len(few):,} of {len(counts):,} classes have fewer than {FEWEST} images to learn from"
        yield DataFinding(Trouble.FEW_IMAGES, True, told, tuple((f"{name}: {count}",) for name, count in few))
    there = [(count, name) for name, count in zip(data.class_names, counts, strict=True) if count]
    if there and max(there)[0] >= IMBALANCE * min(there)[0]:
        (most, large), (least, small) = max(there), min(there)
        told = f"{large} has {most:,} images to learn from and {small} {least:,}: --class-weights balanced counts them alike"
        yield DataFinding(Trouble.IMBALANCE, True, told)


def _likeness(data: DataSet, seen: Sequence[_Seen]) -> Iterator[DataFinding]:
    """Images that are the same, or all but the same, by how bad that is."""
    found: dict[tuple[Trouble, bool], list[tuple[str, ...]]] = defaultdict(list)
    for group in groups([one.fingerprint for one in seen], [one.digest for one in seen]):
        copies: dict[str | None, list[int]] = defaultdict(list)
        for index in group:
            copies[seen[index].digest].append(index)
        # Each on its own: a third image that is only similar must not hide that two are the same.
        for same in copies.values():
            if len(same) > 1:
                for trouble in _troubles(data, same):
                    found[trouble, True].append(_told(data, same))
        if len(copies) > 1:
            for trouble in _troubles(data, group):
                found[trouble, False].append(_told(data, group))
    for (trouble, is_exact), examples in sorted(
        found.items(), key=lambda item: (list(Trouble).index(item[0][0]), not item[0][1])
    ):
        kind = "the same" if is_exact else "all but the same"
        # Where a validation split is yet to be drawn, copies may come to lie on both sides.
        is_apart = trouble is Trouble.DUPLICATES and is_exact and Split.VAL not in _splits(data)
        harms = is_apart or trouble is Trouble.LEAKAGE or (trouble is Trouble.CONTRADICTION and is_exact)
        where = _SPLIT_APART if is_apart else _WHERE[trouble]
        told = f"{len(examples):,} {_SETS[len(examples) > 1]} of images that are {kind} {where}"
        yield DataFinding(trouble, harms, told, tuple(examples))


def _troubles(data: DataSet, group: Sequence[int]) -> list[Trouble]:
    """What is wrong with images that are alike lying where they do."""
    samples = [data.samples[index] for index in group]
    found = []
    if len({sample.label for sample in samples}) > 1:
        found.append(Trouble.CONTRADICTION)
    if len({sample.split for sample in samples}) > 1:
        found.append(Trouble.LEAKAGE)
    return found or [Trouble.DUPLICATES]


def _told(data: DataSet, group: Sequence[int]) -> tuple[str, ...]:
    return tuple(data.relative(data.samples[index].path) for index in group)


_SPLIT_APART = "lie in one class: a split would put some of them on both sides"
_SETS = {False: "set", True: "sets"}
_WHERE = {
    Trouble.LEAKAGE: "lie in several splits: what is measured there was seen in training",
    Trouble.CONTRADICTION: "lie in several classes",
    Trouble.DUPLICATES: "lie in one class",
}


def _shapes(data: DataSet, seen: Sequence[_Seen]) -> Iterator[DataFinding]:
    odd_sizes, odd_modes = [], []
    for sample, one in zip(data.samples, seen, strict=True):
        if one.header is None:
            continue
        width, height = one.header.size
        if min(width, height) < SMALL or max(width, height) > LONG * min(width, height):
            odd_sizes.append((f"{data.relative(sample.path)}: {width} x {height}",))
        if one.header.mode not in _USUAL_MODES:
            odd_modes.append((f"{data.relative(sample.path)}: {one.header.mode} {one.header.format}",))
    if odd_sizes:
        told = (
            f"{counted(len(odd_sizes), 'image')} smaller than {SMALL} pixels, or {LONG} times as long as wide"
        )
        yield DataFinding(Trouble.ODD_SIZES, False, told, tuple(odd_sizes))
    if odd_modes:
        told = f"{counted(len(odd_modes), 'image')} neither RGB nor grey, to be converted"
        yield DataFinding(Trouble.ODD_MODES, False, told, tuple(odd_modes))
