"""The result of fine-tuning, as text and as JSON."""

import dataclasses
import json
import statistics
from collections.abc import Sequence
from typing import Any

from cnncli.records.evaluation import Accuracy, FoldScore
from cnncli.records.training import (
    ClassifierScore,
    Epoch,
    FinetuneResult,
    TaskClassifier,
    TaskScore,
    Timing,
)
from cnncli.render.columns import Column, rows
from cnncli.render.evaluation_text import accuracy_text, estimate_text
from cnncli.text import path_text, percent, printable


def finetune_text(result: FinetuneResult, width: int | None) -> str:
    """The classifiers that were compared, the accuracy of the chosen one, and timings.

    Args:
        result: the run's result.
        width: width of the terminal in characters; None for no limit.
    """
    lines = [*_classifier_lines(result, width), f"chosen      {_choice(result)}"]
    if result.train:
        lines.append(f"train       {accuracy_text(result.train)}")
    for split, texts in (("val", _val_texts(result)), ("test", _test_texts(result))):
        lines += [f"{split if number == 0 else '':<12}{text}" for number, text in enumerate(texts)]
    if result.folds:
        lines.append(
            f"{len(result.folds)} folds".ljust(12)
            + folds_text(result.folds, result.classifiers, has_tasks=bool(result.tasks))
        )
    timings = (*result.timings, Timing("total", sum(timing.seconds for timing in result.timings)))
    lines += [
        f"{'' if number else 'time':<12}{timing.seconds:6.1f} s  {timing.step}"
        for number, timing in enumerate(timings)
    ]
    lines.append(f"run         {printable(result.folder)}")
    return "\n".join(lines) + "\n"


def _classifier_lines(result: FinetuneResult, width: int | None) -> list[str]:
    """The classifiers on features that were compared, if there were several."""
    if result.tasks and result.tasks.classifiers:
        return rows(_task_columns(result.tasks.classifiers), width)
    return rows(_columns(result.classifiers), width) if len(result.classifiers) > 1 else []


def _val_texts(result: FinetuneResult) -> list[str]:
    """How good the network is on the validation images, line by line."""
    return _score_texts(result.tasks.val if result.tasks else None, result.val, result.val_loss)


def _test_texts(result: FinetuneResult) -> list[str]:
    """The same on the test images; empty where there are none."""
    if result.test_loss is None:
        return []
    return _score_texts(result.tasks.test if result.tasks else None, result.test, result.test_loss)


def _score_texts(tasks: Sequence[TaskScore] | None, accuracy: Accuracy | None, loss: float) -> list[str]:
    """Scores of tasks, if there are some, and what holds of all of them."""
    match = accuracy_text(accuracy) if accuracy else "no image has labels of all tasks"
    together = "all tasks: " if tasks and len(tasks) > 1 else "exact match: " if tasks else ""
    return [*map(_task_text, tasks or ()), f"{together}{match}, loss {loss:.4f}"]


def _task_text(score: TaskScore) -> str:
    """How good a network is at a task."""
    if score.accuracy:
        return f"{printable(score.task)}: {accuracy_text(score.accuracy)}"
    values = (("mAP", score.mean_average_precision), ("micro F1", score.micro_f1))
    texts = [f"{name} {estimate_text(value)}" for name, value in values if value]
    return f"{printable(score.task)}: {', '.join(texts)}"


def folds_text(folds: Sequence[FoldScore], classifiers: Sequence[ClassifierScore], *, has_tasks: bool) -> str:
    """The mean and the standard deviation over the folds, and the range."""
    scores = [fold.score for fold in folds]
    name = "score" if has_tasks else "balanced accuracy" if are_balanced(classifiers) else "accuracy"
    mean, lowest, highest = (
        f"{100 * value:.1f}" for value in (statistics.mean(scores), min(scores), max(scores))
    )
    return f"{name} {mean} ± {percent(statistics.stdev(scores))} (standard deviation; {lowest} to {highest})"


def keras_scores(result: FinetuneResult) -> str:
    """The last lines of Keras's examples: the loss and the accuracy on the test split; on val where there is no test split."""
    split, accuracy, loss = (
        ("Test", result.test, result.test_loss)
        if result.test_loss is not None
        else ("Validation", result.val, result.val_loss)
    )
    return f"{split} score: {loss}\n" + (f"{split} accuracy: {accuracy.share}\n" if accuracy else "")


def finetune_json(result: FinetuneResult) -> str:
    """Everything, as one object."""
    document = dataclasses.asdict(result)
    document["folder"] = path_text(result.folder)
    document["unreadable"] = [path_text(path) for path in result.unreadable]
    document["remarks"] = [path_text(remark) for remark in result.remarks]
    document["images"] = dict(zip(("train", "val", "test"), result.images, strict=True))
    document["epochs"] = [_epoch(epoch) for epoch in result.epochs]
    if result.tasks is None:
        del document["tasks"]
    if not result.folds:
        del document["folds"]
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _epoch(epoch: Epoch) -> dict[str, Any]:
    """The columns of history.csv."""
    values = epoch.values()
    return {"epoch": values.pop("number"), **values}


def _choice(result: FinetuneResult) -> str:
    score = result.classifier
    if not score or result.best_epoch:
        return result.reason
    name = f"{score.name} ({score.parameter})" if score.parameter else str(score.name)
    return f"{name}: {result.reason}"


def are_balanced(classifiers: Sequence[ClassifierScore]) -> bool:
    """Whether all classes count alike in the choice of a classifier."""
    return any(score.val_balanced is not None for score in classifiers)


def _columns(scores: tuple[ClassifierScore, ...]) -> list[Column]:
    return [
        Column("classifier", [str(score.name) for score in scores], importance=9),
        Column("parameter", [score.parameter for score in scores], importance=4),
        Column(
            "cross-validation (balanced)" if are_balanced(scores) else "cross-validation",
            [_plus_minus(score.cv_accuracy, score.cv_standard_error) for score in scores],
            is_number=True,
            importance=8,
        ),
        Column("train", [percent(score.train.share) for score in scores], is_number=True, importance=5),
        Column("val", [percent(score.val.share) for score in scores], is_number=True, importance=7),
        Column("time", [f"{score.seconds:.1f} s" for score in scores], is_number=True, importance=3),
    ]


def _task_columns(classifiers: Sequence[TaskClassifier]) -> list[Column]:
    validated = [_plus_minus(item.cv_score, item.cv_standard_error) for item in classifiers]
    return [
        Column("task", [printable(item.task) for item in classifiers], importance=9),
        Column("classifier", [str(item.name) for item in classifiers], importance=8),
        Column("parameter", [item.parameter for item in classifiers], importance=4),
        Column("cross-validation", validated, is_number=True, importance=7),
        Column("val", [_percent(item.val_score) for item in classifiers], is_number=True, importance=6),
        Column("time", [f"{item.seconds:.1f} s" for item in classifiers], is_number=True, importance=3),
    ]


def _percent(score: float | None) -> str:
    return "" if score is None else percent(score)


def _plus_minus(score: float | None, standard_error: float | None) -> str:
    if score is None or standard_error is None:
        return ""
    return f"{percent(score)} ± {percent(standard_error)}"
