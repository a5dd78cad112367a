"""Contents of report.html: thumbnails of the most informative images, and facts about the data."""

import io
import itertools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from cnncli.engines.cores import usable_cores
from cnncli.images.decode import Decoding, decode
from cnncli.images.sources import image_source
from cnncli.records.data import DataFinding, DataSet, FindingKind, Sample, Split
from cnncli.records.evaluation import Comparison, Evaluation
from cnncli.records.predictions import Unreadable
from cnncli.records.report import DataFacts, Report
from cnncli.render.report import GALLERY, LISTED, PICTURED_CHANGES, matrix_classes, report_html
from cnncli.text import join_path

REPORT = "report.html"

_PICTURES = 400
"""Thumbnails in one report; at about 6 kB each it stays far below 10 MB."""

_SIZE, _QUALITY = (160, 160), 70
"""Largest (width, height) of a thumbnail in pixels; its JPEG quality."""


def report_page(report: Report) -> bytes:
    """The content of report.html."""
    return report_html(report).encode("utf-8", "replace")


def pictures(
    evaluation: Evaluation, comparison: Comparison | None, root: str, max_pixels: int
) -> dict[str, bytes]:
    """JPEG thumbnails of the images that a report shows, by path relative to the data.

    Args:
        evaluation: the evaluation of the network, or of the new one.
        comparison: its comparison with another network; None where there is none.
        root: root folder of the data.
        max_pixels: larger images are not decoded.
    """
    paths = _choose_images(evaluation, comparison)

    def load(path: str) -> bytes | None:
        return _thumbnail(join_path(root, path), max_pixels)

    with ThreadPoolExecutor(usable_cores()) as pool:
        contents = dict(zip(paths, pool.map(load, paths), strict=True))
    return {path: content for path, content in contents.items() if content}


def _choose_images(evaluation: Evaluation, comparison: Comparison | None) -> list[str]:
    """Paths of the most confident mistakes and changes, then of images of each confusion matrix, at most `_PICTURES`."""
    evaluations = (evaluation, comparison.old) if comparison else (evaluation,)
    changes = (comparison.gained, comparison.lost) if comparison else ()
    mistakes = [answer.path for each in evaluations for answer in each.mistakes()[:GALLERY]]
    changed = [change.path for side in changes for change in side[:PICTURED_CHANGES]]
    in_cells = itertools.chain.from_iterable(
        itertools.zip_longest(*(_images_of_cells(each) for each in evaluations))
    )
    paths = dict.fromkeys((*mistakes, *changed, *(path for path in in_cells if path)))
    return list(paths)[:_PICTURES]


def _images_of_cells(evaluation: Evaluation) -> Iterator[str]:
    """Paths of images of each cell of the confusion matrix in turn, mistakes first."""
    classes = set(matrix_classes(evaluation))
    cells: dict[tuple[int, int], list[str]] = {}
    for answer in sorted(evaluation.answers, key=lambda answer: (answer.is_correct, -answer.probability)):
        if {answer.label, answer.predicted} <= classes:
            cells.setdefault((answer.label, answer.predicted), []).append(answer.path)
    turns = itertools.zip_longest(*(cell[:LISTED] for cell in cells.values()))
    return (path for turn in turns for path in turn if path)


def _thumbnail(path: str, max_pixels: int) -> bytes | None:
    image = decode(image_source(path), Decoding(max_pixels=max_pixels, target_size=lambda _: _SIZE))
    if isinstance(image, Unreadable):
        return None
    image.thumbnail(_SIZE)
    content = io.BytesIO()
    image.save(content, "JPEG", quality=_QUALITY)
    return content.getvalue()


def data_facts(data: DataSet, unreadable: Mapping[str, str]) -> DataFacts:
    """What an evaluation or a training run has seen of its data; `cnncli check` examines it more closely.

    Args:
        data: all images.
        unreadable: why some could not be read, by path relative to the data.
    """
    readable = [sample for sample in data.samples if data.relative(sample.path) not in unreadable]
    splits = [split for split in (*Split, None) if any(sample.split is split for sample in data.samples)]
    counts = {split: tuple(_count(readable, split, len(data.class_names))) for split in splits}
    findings = [DataFinding(FindingKind.LEFT_OUT, False, remark) for remark in data.remarks]
    if unreadable:
        message = f"{len(unreadable):,} of {len(data.samples):,} images cannot be read"
        examples = tuple((f"{path}: {reason}",) for path, reason in unreadable.items())
        findings.insert(0, DataFinding(FindingKind.UNREADABLE, True, message, examples))
    for split in [split for split in splits if split or len(splits) == 1]:
        if empty := [name for name, count in zip(data.class_names, counts[split], strict=True) if not count]:
            message = (
                f"{len(empty):,} of {len(data.class_names):,} classes have no image in {split or 'the data'}"
            )
            findings.append(
                DataFinding(FindingKind.MISSING_CLASS, True, message, tuple((name,) for name in empty))
            )
    return DataFacts(data.class_names, counts, tuple(findings))


def _count(samples: Sequence[Sample], split: Split | None, classes: int) -> list[int]:
    counts = [0] * classes
    for sample in samples:
        if sample.split is split:
            counts[sample.label] += 1
    return counts
