"""Figures of labelled images whose answers lie in parts: all of them from the parts of `evaluate`, accuracies from those of `predict`."""

import csv
import dataclasses
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from cnncli.data import layout
from cnncli.distribution.join import contents, require_complete, shards
from cnncli.distribution.plan import Plan
from cnncli.distribution.store import Store
from cnncli.distribution.tasks import EvaluateTask, PredictTask
from cnncli.errors import DataError, UsageError
from cnncli.evaluation.evaluate import EvaluationPlan, EvaluationSettings, evaluate_scored, plan_selection
from cnncli.evaluation.metrics import accuracy
from cnncli.evaluation.scoring import EnsembleMember, ScoredSamples, answers_of
from cnncli.evaluation.selection import ALL, Selection, select_samples
from cnncli.evaluation.tasks.scoring import ScoredTargets
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.data import DataSet, Sample
from cnncli.records.evaluation import Answer, Evaluation, TopAccuracy
from cnncli.records.predictions import OK, Unreadable
from cnncli.records.progress import Progress
from cnncli.text import counted, is_url, parse_json

Ranking = Sequence[int]
"""Indices of the most probable classes of an image, best first; empty where it could not be read."""


def plan_figures(settings: EvaluationSettings, plan: Plan, store: Store) -> EvaluationPlan:
    """The labelled images that have answers in parts, matched with the network's classes.

    Raises:
        OutputError: parts are missing.
        DataError: none of the images has an answer, or the network does not have their classes.
        UsageError: there are no answers in these parts.
    """
    require_answers(plan, store)
    data = layout.read(settings.data, settings.columns)
    selection = select(settings, plan, store, data)
    return plan_selection(settings, data, selection, [(model_of(plan, store),)])


def require_answers(plan: Plan, store: Store) -> None:
    """Check that there are answers in all parts.

    Raises:
        OutputError: parts are missing.
        UsageError: there are no answers in these parts.
    """
    if plan.command not in {EvaluateTask.command, PredictTask.command}:
        raise UsageError(f"{store} holds the parts of {plan.command}", "give those of evaluate or predict")
    require_complete(plan, store)


def model_of(plan: Plan, store: Store) -> ModelFolder:
    """The network that computed the parts; its files are elsewhere."""
    return ModelFolder(Path(str(store)), plan.model_card)


def select(settings: EvaluationSettings, plan: Plan, store: Store, data: DataSet) -> Selection:
    """The images of the data, or of one of its splits, that have answers."""
    if settings.split is None and plan.command == EvaluateTask.command:
        split, source = str(plan.settings["split"]), str(plan.settings["split_source"])
        selection = Selection(data.samples, split, source, data.remarks)
    else:
        selection = select_samples(data, settings.split, [])
    inputs = {
        _key(item.path) for number in range(len(plan.parts)) for item in plan.inputs(number, store) if item
    }
    samples = tuple(sample for sample in selection.samples if _key(sample.path) in inputs)
    if not samples:
        raise DataError(
            f"no image of {data.name} is among the inputs of {store}", "give the same paths to both"
        )
    missing = len(selection.samples) - len(samples)
    is_whole = selection.split == ALL or plan.command == PredictTask.command
    remarks = (
        (f"left out: {counted(missing, 'image')} without an answer in {store}",)
        if missing and is_whole
        else ()
    )
    return dataclasses.replace(selection, samples=samples, remarks=(*selection.remarks, *remarks))


def _key(path: str) -> str:
    """A path in one spelling, so that data and inputs can be compared."""
    return path if is_url(path) else os.path.abspath(path)  # noqa: PTH100 - a string is as good as a Path


def evaluate_parts(figures: EvaluationPlan, plan: Plan, store: Store, progress: Progress) -> Evaluation:
    """All figures, from the probabilities of all classes.

    Args:
        figures: the images.
        plan: of the parts.
        store: where they are.
        progress: reports images that could not be read.

    Raises:
        CnncliError: a part is damaged, or no image could be read.
    """
    match, relative = figures.matches[0][0], figures.data.relative
    member = EnsembleMember(figures.members[0][0], match.groups)
    answers: list[Answer] = []
    unreadable: list[Unreadable] = []
    for part in scored_parts(_labelled(figures), plan, store):
        answers += answers_of(part.samples, member.merge_classes(part.shares), relative)
        unreadable += (Unreadable(relative(item.path), item.reason) for item in part.unreadable)
    for remark in figures.selection.remarks:
        progress.warning(remark)
    (evaluation,) = evaluate_scored(figures, [ScoredSamples(tuple(answers), tuple(unreadable))], progress)
    return evaluation


def scored_parts(samples: Iterable[Sample], plan: Plan, store: Store) -> Iterator[ScoredTargets]:
    """Those of some images that are in the parts of `evaluate`, with the probabilities of all the network's classes.

    Raises:
        OutputError: a part is damaged.
    """
    by_path = {_key(sample.path): sample for sample in samples}
    for shard in shards(plan, store):
        known = [
            (row, by_path[key])
            for row, path in enumerate(shard.embedded_paths)
            if (key := _key(path)) in by_path
        ]
        yield ScoredTargets(
            tuple(sample for _, sample in known),
            shard.vectors[[row for row, _ in known]],
            tuple(item for item in shard.unreadable if _key(item.path) in by_path),
        )


def _labelled(figures: EvaluationPlan) -> list[Sample]:
    """The images, labelled with indices of the evaluation's classes."""
    indices = figures.matches[0][0].indices
    return [dataclasses.replace(sample, label=indices[sample.label]) for sample in figures.selection.samples]


def top_accuracy(figures: EvaluationPlan, plan: Plan, store: Store, progress: Progress) -> TopAccuracy:
    """How often the class is the first prediction, and how often among all that the parts hold.

    Args:
        figures: the images.
        plan: of the parts.
        store: where they are.
        progress: reports images that were left out.

    Raises:
        CnncliError: a part is damaged, or has no indices of classes, or no image could be read.
    """
    if figures.matches[0][0].groups is not None or any(
        plan.settings.get(name) for name in ("threshold", "unfamiliar", "classes")
    ):
        raise UsageError(
            "--subset, --map to several classes and predictions with --threshold, --unfamiliar, --classes or --rollup "
            "need the probabilities of all classes",
            "compute them with cnncli evaluate DATA --parts DIR",
        )
    samples = {_key(sample.path): sample for sample in _labelled(figures)}
    hits: list[tuple[bool, bool]] = []
    unreadable = 0
    for path, ranking in _rankings(plan, store):
        if sample := samples.get(_key(path)):
            unreadable += not ranking
            if ranking:
                hits.append((ranking[0] == sample.label, sample.label in ranking))
    if not hits:
        raise DataError(f"no image of {figures.data.name} can be read", "run `cnncli check` to find out why")
    for remark in figures.selection.remarks:
        progress.warning(remark)
    top1, topk = np.array(hits, np.intp).T
    return TopAccuracy(
        model=plan.model_card.name,
        data=figures.data.name,
        split=figures.selection.split,
        split_source=figures.selection.split_source,
        unreadable=unreadable,
        k=int(plan.settings["topk"] or 1),
        top1=accuracy(top1, np.ones_like(top1)),
        topk=accuracy(topk, np.ones_like(topk)),
    )


def _rankings(plan: Plan, store: Store) -> Iterator[tuple[str, Ranking]]:
    """Path and ranking of each input of the parts of `predict`."""
    readers = {".csv": _csv_rows, ".jsonl": _jsonl_rows, ".parquet": _parquet_rows}
    if plan.ending not in readers:
        raise UsageError(f"{plan.ending} parts hold no indices of classes", f"use -f {' or '.join(readers)}")
    for number, content in enumerate(contents(plan, store)):
        paths = (item.path for item in plan.inputs(number, store) if item)
        yield from zip(paths, _by_image(readers[plan.ending](content)), strict=True)


_Rows = Iterator[tuple[int | None, int | None]]
"""Rank and index of each class of each image; None of an image that could not be read."""


def _by_image(rows: _Rows) -> Iterator[Ranking]:
    """The rankings in rows, in which an image begins with rank 1, or with none."""
    ranking: list[int] | None = None
    for rank, index in rows:
        if rank in {1, None}:
            if ranking is not None:
                yield ranking
            ranking = []
        if ranking is not None and index is not None:
            ranking.append(index)
    if ranking is not None:
        yield ranking


def _csv_rows(content: bytes) -> _Rows:
    for row in csv.DictReader(io.StringIO(content.decode(), newline="")):
        yield (int(row["rank"]), int(row["index"])) if row["status"] == OK else (None, None)


def _jsonl_rows(content: bytes) -> _Rows:
    for line in content.splitlines():
        for score in parse_json(line).get("predictions", [{"rank": None, "index": None}]):
            yield score["rank"], score["index"]


def _parquet_rows(content: bytes) -> _Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(pa.BufferReader(content), columns=["rank", "index"])
    yield from zip(table["rank"].to_pylist(), table["index"].to_pylist(), strict=True)
