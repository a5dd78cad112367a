"""Problems of a data set that can be found before training."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cnncli.data.near_duplicates import Fingerprint, fingerprint, groups
from cnncli.images.decode import Decoding, Header, header, with_image
from cnncli.images.digest import sha256
from cnncli.images.in_memory import InMemory
from cnncli.images.threads import reading_pool, reading_threads
from cnncli.records.data import DataFinding, DataHealth, DataSet, FindingKind, Sample, Split
from cnncli.records.predictions import ImageSource, Unreadable, UnreadableError
from cnncli.text import counted

MIN_IMAGES = 5
"""Training images below which a class can hardly be learned."""

IMBALANCE = 10
"""Ratio of the largest class to the smallest from which an imbalance is reported."""

MIN_SIDE, MAX_RATIO = 32, 4
"""Shorter side in pixels below which little can be seen; aspect ratio above which a crop loses most of an image."""

_USUAL_MODES = {"RGB", "L"}
_THUMBNAIL = (64, 64)
_MAX_IN_MEMORY = 32 << 20
"""Largest file in bytes that is held in memory."""

_BATCH = 256
"""Images examined at a time, which bounds the memory used."""


@dataclass(frozen=True, slots=True)
class _ImageFacts:
    """The properties of an image, or the reason why it cannot be read."""

    reason: str | None
    header: Header | None = None
    digest: str | None = None
    fingerprint: Fingerprint | None = None


def examine(
    data: DataSet, *, max_pixels: int, workers: int, advance: Callable[[], None] = lambda: None
) -> DataHealth:
    """Open every image of a data set and look for problems.

    Args:
        data: as read from disk.
        max_pixels: larger images are not decoded.
        workers: number of threads.
        advance: called once per image.
    """
    images: list[_ImageFacts] = []
    threads = reading_threads((sample.source for sample in data.samples), workers)
    with reading_pool(threads, "examine") as pool:
        for batch in _batches(data.samples, _BATCH):
            for image in pool.map(lambda sample: _examine(sample, max_pixels), batch):
                images.append(image)
                advance()
    findings = [
        *_unreadable(data, images),
        *(DataFinding(FindingKind.LEFT_OUT, False, remark) for remark in data.remarks),
        *_classes(data, images),
        *_similar_names(data.class_names),
        *_likeness(data, images),
        *_shapes(data, images),
    ]
    sizes = sorted(
        (image.header.size for image in images if image.header), key=lambda size: size[0] * size[1]
    )
    return DataHealth(
        data,
        {split: tuple(_count(data, images, split)) for split in _splits(data)},
        (sizes[0], sizes[len(sizes) // 2], sizes[-1]) if sizes else (),
        dict(
            Counter(
                f"{image.header.mode} {image.header.format}" for image in images if image.header
            ).most_common()
        ),
        tuple(sorted(findings, key=lambda finding: not finding.is_problem)),
    )


def _examine(sample: Sample, max_pixels: int) -> _ImageFacts:
    facts = header(sample.source)
    if isinstance(facts, Unreadable):  # the rest of the file, which may be long, is not read
        return _ImageFacts(facts.reason)
    source = _in_memory(sample.source)
    digest = sha256(source)
    decoding = Decoding(max_pixels=max_pixels, target_size=lambda _: _THUMBNAIL)
    likeness = with_image(source, decoding, fingerprint)
    if isinstance(likeness, Unreadable):
        return _ImageFacts(likeness.reason)
    return _ImageFacts(None, facts, digest, likeness)


def _in_memory(source: ImageSource) -> ImageSource:
    """The image in memory, since it is read twice; the source itself if it is large or cannot be read."""
    try:
        with source.open() as stream:
            data = stream.read(_MAX_IN_MEMORY + 1)
    except (OSError, UnreadableError):
        return source
    return source if len(data) > _MAX_IN_MEMORY else InMemory(source.path, data)


def _batches(samples: Sequence[Sample], size: int) -> Iterator[Sequence[Sample]]:
    for start in range(0, len(samples), size):
        yield samples[start : start + size]


# ---- findings


def _unreadable(data: DataSet, images: Sequence[_ImageFacts]) -> Iterator[DataFinding]:
    reasons = [
        (sample.path, image.reason)
        for sample, image in zip(data.samples, images, strict=True)
        if image.reason
    ]
    if reasons:
        message = f"{len(reasons):,} of {len(images):,} images cannot be read"
        yield DataFinding(
            FindingKind.UNREADABLE,
            True,
            message,
            tuple((f"{data.relative(path)}: {reason}",) for path, reason in reasons),
        )


def _splits(data: DataSet) -> list[Split | None]:
    return [split for split in (*Split, None) if any(sample.split is split for sample in data.samples)]


def _count(data: DataSet, images: Sequence[_ImageFacts], split: Split | None) -> list[int]:
    counts = [0] * len(data.class_names)
    for sample, image in zip(data.samples, images, strict=True):
        if sample.split is split and not image.reason:
            counts[sample.label] += 1
    return counts


def _classes(data: DataSet, images: Sequence[_ImageFacts]) -> Iterator[DataFinding]:
    """Classes with no or few images, and imbalance."""
    if len(data.class_names) == 1:
        yield DataFinding(
            FindingKind.MISSING_CLASS,
            True,
            f"there is only one class, {data.class_names[0]}",
        )
    splits = _splits(data)
    for split in splits:
        counts = _count(data, images, split)
        names = [name for name, count in zip(data.class_names, counts, strict=True) if not count]
        if names:
            message = f"{len(names):,} of {len(counts):,} classes have no readable image"
            message += f" in {split}" if split else ""
            yield DataFinding(FindingKind.MISSING_CLASS, True, message, tuple((name,) for name in names))
    training = Split.TRAIN if Split.TRAIN in splits else None
    counts = _count(data, images, training)
    few = [
        (name, count) for name, count in zip(data.class_names, counts, strict=True) if 0 < count < MIN_IMAGES
    ]
    if few:
        message = f"{len(few):,} of {len(counts):,} classes have fewer than {MIN_IMAGES} training images"
        yield DataFinding(
            FindingKind.FEW_IMAGES, True, message, tuple((f"{name}: {count}",) for name, count in few)
        )
    present = [(count, name) for name, count in zip(data.class_names, counts, strict=True) if count]
    if present and max(present)[0] >= IMBALANCE * min(present)[0]:
        (most, large), (least, small) = max(present), min(present)
        message = (
            f"{large} has {most:,} training images, {small} has {least:,}: consider --class-weights balanced"
        )
        yield DataFinding(FindingKind.IMBALANCE, True, message)


def _similar_names(names: Sequence[str]) -> Iterator[DataFinding]:
    """Classes whose names differ only in case, spaces or Unicode form, and are hardly meant to be two."""
    groups_by_key: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups_by_key["".join(unicodedata.normalize("NFKC", name).casefold().split())].append(name)
    similar = tuple(tuple(map(repr, group)) for group in groups_by_key.values() if len(group) > 1)
    if similar:
        message = f"{counted(len(similar), 'set')} of classes whose names differ only in case, spaces or Unicode form"
        yield DataFinding(FindingKind.SIMILAR_NAMES, True, message, similar)


def _likeness(data: DataSet, images: Sequence[_ImageFacts]) -> Iterator[DataFinding]:
    """Identical and nearly identical images, the worst kind first."""
    examples: dict[tuple[FindingKind, bool], list[tuple[str, ...]]] = defaultdict(list)
    for group in groups([image.fingerprint for image in images], [image.digest for image in images]):
        copies: dict[str | None, list[int]] = defaultdict(list)
        for index in group:
            copies[images[index].digest].append(index)
        # Identical images are reported separately, so that a third image that is only similar does not hide them.
        for same in copies.values():
            if len(same) > 1:
                for kind in _likeness_kinds(data, same):
                    examples[kind, True].append(_relative_paths(data, same))
        if len(copies) > 1:
            for kind in _likeness_kinds(data, group):
                examples[kind, False].append(_relative_paths(data, group))
    for (kind, is_exact), sets in sorted(
        examples.items(), key=lambda item: (list(FindingKind).index(item[0][0]), not item[0][1])
    ):
        # If no validation split exists yet, copies may be split between train and val.
        may_be_split = kind is FindingKind.DUPLICATES and is_exact and Split.VAL not in _splits(data)
        is_problem = (
            may_be_split
            or kind is FindingKind.LEAKAGE
            or (kind is FindingKind.CONFLICTING_LABELS and is_exact)
        )
        likeness = "identical" if is_exact else "nearly identical"
        location = _MAY_BE_SPLIT if may_be_split else _LOCATIONS[kind]
        message = f"{counted(len(sets), 'set')} of {likeness} images {location}"
        yield DataFinding(kind, is_problem, message, tuple(sets))


def _likeness_kinds(data: DataSet, group: Sequence[int]) -> list[FindingKind]:
    """What a group of similar images means, by the classes and splits that they are in."""
    samples = [data.samples[index] for index in group]
    kinds = []
    if len({sample.label for sample in samples}) > 1:
        kinds.append(FindingKind.CONFLICTING_LABELS)
    if len({sample.split for sample in samples}) > 1:
        kinds.append(FindingKind.LEAKAGE)
    return kinds or [FindingKind.DUPLICATES]


def _relative_paths(data: DataSet, group: Sequence[int]) -> tuple[str, ...]:
    return tuple(data.relative(data.samples[index].path) for index in group)


_MAY_BE_SPLIT = "in one class: --val-split may put copies into both train and val"
_LOCATIONS = {
    FindingKind.LEAKAGE: "in several splits: test or validation accuracy would be too high",
    FindingKind.CONFLICTING_LABELS: "in several classes",
    FindingKind.DUPLICATES: "in one class",
}


def _shapes(data: DataSet, images: Sequence[_ImageFacts]) -> Iterator[DataFinding]:
    unusual_sizes, unusual_modes = [], []
    for sample, image in zip(data.samples, images, strict=True):
        if image.header is None:
            continue
        width, height = image.header.size
        if min(width, height) < MIN_SIDE or max(width, height) > MAX_RATIO * min(width, height):
            unusual_sizes.append((f"{data.relative(sample.path)}: {width} x {height}",))
        if image.header.mode not in _USUAL_MODES:
            unusual_modes.append(
                (f"{data.relative(sample.path)}: {image.header.mode} {image.header.format}",)
            )
    if unusual_sizes:
        message = f"{counted(len(unusual_sizes), 'image')} with a side below {MIN_SIDE} pixels or an aspect ratio above {MAX_RATIO}"
        yield DataFinding(FindingKind.UNUSUAL_SIZES, False, message, tuple(unusual_sizes))
    if unusual_modes:
        message = f"{counted(len(unusual_modes), 'image')} neither RGB nor grey; converted when read"
        yield DataFinding(FindingKind.UNUSUAL_MODES, False, message, tuple(unusual_modes))
