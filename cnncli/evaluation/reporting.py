"""Contents of report.html: thumbnails of the most informative images, and facts about the data."""

import dataclasses
import datetime as dt
import io
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from cnncli.engines.cores import usable_cores
from cnncli.evaluation.evaluate import Match, Plan
from cnncli.images.decode import Decoding, decode
from cnncli.images.sources import image_source
from cnncli.networks.dependencies import package_versions
from cnncli.records.data import DataFinding, DataSet, FindingKind, Sample, Split
from cnncli.records.evaluation import Comparison, Evaluation
from cnncli.records.predictions import Unreadable
from cnncli.records.report import DataFacts, Evaluated, Facts, Report
from cnncli.records.task_evaluation import LabelMetrics, TasksComparison, TasksEvaluation
from cnncli.records.tasks import has_several
from cnncli.render.report import report_html
from cnncli.render.report_comparison import PICTURED_CHANGES
from cnncli.render.report_labels import PICTURED_MISTAKES
from cnncli.render.report_networks import GALLERY, LISTED, matrix_classes
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
    evaluation: Evaluated,
    comparison: Comparison | TasksComparison | None,
    root: str,
    max_pixels: int,
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


def _choose_images(evaluation: Evaluated, comparison: Comparison | TasksComparison | None) -> list[str]:
    """Paths of the worst mistakes and of changes, then of images of each confusion matrix, at most `_PICTURES`."""
    metrics = [
        item for each in (evaluation, comparison and comparison.old) if each for item in _metrics_of(each)
    ]
    plain = [item for item in metrics if isinstance(item, Evaluation)]
    mistakes = [answer.path for each in plain for answer in each.mistakes()[:GALLERY]]
    labels = _in_turn(_worst_images(item) for item in metrics if isinstance(item, LabelMetrics))
    in_cells = _in_turn(_images_of_cells(each) for each in plain)
    paths = dict.fromkeys((*mistakes, *_changed_images(comparison), *labels, *in_cells))
    return list(paths)[:_PICTURES]


def _metrics_of(result: Evaluated) -> Sequence[Evaluation | LabelMetrics]:
    """The metrics of each task of a network; a network without tasks counts as one."""
    return [item.metrics for item in result.tasks] if isinstance(result, TasksEvaluation) else [result]


def _in_turn(paths: Iterable[Iterable[str]]) -> Iterator[str]:
    """The first path of each, the second of each, and so on."""
    return (path for turn in itertools.zip_longest(*paths) for path in turn if path)


def _changed_images(comparison: Comparison | TasksComparison | None) -> list[str]:
    """Paths of images that only one of two networks gets right."""
    if comparison is None:
        return []
    pairs = comparison.tasks if isinstance(comparison, TasksComparison) else (comparison,)
    return [
        change.path
        for pair in pairs
        for side in (pair.gained, pair.lost)
        for change in side[:PICTURED_CHANGES]
    ]


def _worst_images(metrics: LabelMetrics) -> Iterator[str]:
    """Paths of the worst misses and false alarms of each class in turn."""
    return _in_turn(
        [mistake.path for mistake in side[:PICTURED_MISTAKES]]
        for score in metrics.classes
        for side in (score.misses, score.false_alarms)
    )


def _images_of_cells(evaluation: Evaluation) -> Iterator[str]:
    """Paths of images of each cell of the confusion matrix in turn, mistakes first."""
    classes = set(matrix_classes(evaluation))
    cells: dict[tuple[int, int], list[str]] = {}
    for answer in sorted(evaluation.answers, key=lambda answer: (answer.is_correct, -answer.probability)):
        if {answer.label, answer.predicted} <= classes:
            cells.setdefault((answer.label, answer.predicted), []).append(answer.path)
    return _in_turn(cell[:LISTED] for cell in cells.values())


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
    counts = {split: tuple(_count(data, readable, split)) for split in splits}
    images = {split: sum(sample.split is split for sample in readable) for split in splits}
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
    return DataFacts(_titles(data), counts, images, tuple(findings))


def _count(data: DataSet, samples: Sequence[Sample], split: Split | None) -> list[int]:
    """Number of the samples of a split in each class."""
    chosen = tuple(sample for sample in samples if sample.split is split)
    return dataclasses.replace(data, samples=chosen).count()


def _titles(data: DataSet) -> tuple[str, ...]:
    """The names of the classes; those of several tasks begin with the name of their task."""
    if not has_several(data.tasks):
        return data.class_names
    return tuple(f"{task.name}: {name}" for task in data.tasks for name in task.class_names)


def report(plan: Plan[Match], result: Evaluated, comparison: Comparison | TasksComparison | None) -> Report:
    """The contents of an evaluation's report.html."""
    selection, data = plan.selection, plan.data
    cards = [folder.card for member in plan.members for folder in member]
    failed = {record.path: record.reason for record in result.unreadable}
    return Report(
        title=f"{result.model}{f' and {comparison.old.model}' if comparison else ''} on {result.data}",
        facts=(
            *(("network", f"{card.name}, weights: {card.weights_origin}") for card in cards),
            ("data", f"{data.title}: {selection.split}, {selection.split_source}"),
            ("date", f"{dt.datetime.now().astimezone():%Y-%m-%d %H:%M}"),
        ),
        evaluation=result,
        test=None,
        data=data_facts(dataclasses.replace(data, samples=selection.samples), failed),
        training=None,
        comparison=comparison,
        settings=_settings(plan),
        versions=tuple(package_versions().items()),
        pictures=pictures(result, comparison, data.root, plan.settings.inference.max_pixels),
    )


def _settings(plan: Plan[Match]) -> Facts:
    """Every option that was set, by its name on the command line."""
    settings, options = plan.settings, plan.settings.inference
    values = {
        "model": ", ".join(str(folder.path) for member in plan.members for folder in member),
        "split": settings.split,
        "subset": settings.subset,
        "map": settings.class_map,
        "ensemble": settings.ensemble,
        "threshold": settings.threshold,
        "others": settings.others,
        "unfamiliar": settings.unfamiliar if settings.others else None,
        "tta": options.tta,
        "max-pixels": options.max_pixels,
        "exact-decode": options.exact_decode,
        "engine": options.engine.engine,
        "precision": options.engine.precision,
        "device": options.engine.device,
        "batch-size": options.batch_size,
        "workers": options.workers,
    }
    return tuple((name, str(value)) for name, value in values.items() if value not in {None, False})
