"""Problems of a data set that can be found before training."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from PIL import Image

from cnncli.data.class_health import class_findings, count_classes, splits_of, task_labels
from cnncli.data.groups import group_findings
from cnncli.data.likeness import likeness_findings
from cnncli.data.near_duplicates import Fingerprint, FingerprintTable, fingerprint
from cnncli.dataclass import frozen_dataclass
from cnncli.images.decode import Decoding, Header, header, with_image
from cnncli.images.digest import sha256
from cnncli.images.in_memory import InMemory
from cnncli.images.threads import reading_pool, reading_threads
from cnncli.records.data import DataFinding, DataHealth, DataSet, FindingKind, Sample
from cnncli.records.predictions import ImageSource, Unreadable, UnreadableError
from cnncli.text import counted

MIN_SIDE, MAX_RATIO = 32, 4
"""Shorter side in pixels below which little can be seen; aspect ratio above which a crop loses most of an image."""

_USUAL_MODES = {"RGB", "L"}
_THUMBNAIL = (64, 64)
_MAX_IN_MEMORY = 32 << 20
"""Largest file in bytes that is held in memory."""

_BATCH = 256
"""Images examined at a time, which bounds the memory used."""


@frozen_dataclass
class _ImageFacts:
    """The properties of an image, or the reason why it cannot be read."""

    reason: str | None
    header: Header | None = None
    digest: str | None = None


def examine(
    data: DataSet,
    *,
    max_pixels: int,
    workers: int,
    compares_pixels: bool = True,
    advance: Callable[[], None] = lambda: None,
) -> DataHealth:
    """Open every image of a data set and look for problems.

    Args:
        data: as read from disk.
        max_pixels: larger images are not decoded.
        workers: number of threads.
        compares_pixels: whether to look for images that are nearly identical, besides those that are identical.
        advance: called once per image.
    """
    images: list[_ImageFacts] = []
    fingerprints = FingerprintTable(len(data.samples))
    describe: _Describe = fingerprint if compares_pixels else _decode_only
    threads = reading_threads((sample.source for sample in data.samples), workers)
    with reading_pool(threads, "examine") as pool:
        for batch in _batches(data.samples, _BATCH):
            for image, description in pool.map(lambda sample: _examine(sample, max_pixels, describe), batch):
                if description:
                    fingerprints[len(images)] = description
                images.append(image)
                advance()
    pairs = zip(data.samples, images, strict=True)
    readable = replace(data, samples=tuple(sample for sample, image in pairs if not image.reason))
    findings = [
        *_unreadable(data, images),
        *(DataFinding(FindingKind.LEFT_OUT, False, remark) for remark in data.remarks),
        *class_findings(readable, splits_of(data)),
        *group_findings(readable),
        *likeness_findings(data, fingerprints, [image.digest for image in images]),
        *_shapes(data, images),
    ]
    sizes = sorted(
        (image.header.size for image in images if image.header), key=lambda size: size[0] * size[1]
    )
    return DataHealth(
        data,
        {split: sum(sample.split is split for sample in readable.samples) for split in splits_of(data)},
        {split: count_classes(readable, split) for split in splits_of(data)},
        (sizes[0], sizes[len(sizes) // 2], sizes[-1]) if sizes else (),
        dict(
            Counter(
                f"{image.header.mode} {image.header.format}" for image in images if image.header
            ).most_common()
        ),
        tuple(sorted(findings, key=lambda finding: not finding.is_problem)),
        task_labels(readable),
    )


_Describe = Callable[[Image.Image], Fingerprint | None]


def _decode_only(_: Image.Image) -> None:
    """Describe nothing: the image can be decoded."""


def _examine(sample: Sample, max_pixels: int, describe: _Describe) -> tuple[_ImageFacts, Fingerprint | None]:
    """The facts about an image, and its fingerprint; None where there is none."""
    facts = header(sample.source)
    if isinstance(facts, Unreadable):  # the rest of the file, which may be long, is not read
        return _ImageFacts(facts.reason), None
    source = _in_memory(sample.source)
    digest = sha256(source)
    decoding = Decoding(max_pixels=max_pixels, target_size=lambda _: _THUMBNAIL)
    description = with_image(source, decoding, describe)
    if isinstance(description, Unreadable):
        return _ImageFacts(description.reason), None
    return _ImageFacts(None, facts, digest), description


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
