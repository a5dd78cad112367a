"""The result of fine-tuning, as text and as JSON."""

import dataclasses
import json
from typing import Any

from cnncli.records.training import ClassifierScore, Epoch, FinetuneResult, Timing
from cnncli.render.columns import Column, rows
from cnncli.render.evaluation_text import accuracy_text
from cnncli.text import path_text, percent, printable


def finetune_text(result: FinetuneResult, width: int | None) -> str:
    """The classifiers that were compared, the accuracy of the chosen one, and timings.

    Args:
        result: the run's result.
        width: width of the terminal in characters; None for no limit.
    """
    lines = rows(_columns(result.classifiers), width) if len(result.classifiers) > 1 else []
    lines.append(f"chosen      {_choice(result)}")
    if result.train:
        lines.append(f"train       {accuracy_text(result.train)}")
    lines.append(f"val         {accuracy_text(result.val)}, loss {result.val_loss:.4f}")
    if result.test and result.test_loss is not None:
        lines.append(f"test        {accuracy_text(result.test)}, loss {result.test_loss:.4f}")
    timings = (*result.timings, Timing("total", sum(timing.seconds for timing in result.timings)))
    lines += [
        f"{'' if number else 'time':<12}{timing.seconds:6.1f} s  {timing.step}"
        for number, timing in enumerate(timings)
    ]
    lines.append(f"run         {printable(result.folder)}")
    return "\n".join(lines) + "\n"


def keras_scores(result: FinetuneResult) -> str:
    """The last lines of Keras's examples: the loss and the accuracy on the test split; on val where there is no test split."""
    split, accuracy, loss = (
        ("Test", result.test, result.test_loss)
        if result.test
        else ("Validation", result.val, result.val_loss)
    )
    return f"{split} score: {loss}\n{split} accuracy: {accuracy.share}\n"


def finetune_json(result: FinetuneResult) -> str:
    """Everything, as one object."""
    document = dataclasses.asdict(result)
    document["folder"] = path_text(result.folder)
    document["unreadable"] = [path_text(path) for path in result.unreadable]
    document["remarks"] = [path_text(remark) for remark in result.remarks]
    document["images"] = dict(zip(("train", "val", "test"), result.images, strict=True))
    document["epochs"] = [_epoch(epoch) for epoch in result.epochs]
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


def _columns(scores: tuple[ClassifierScore, ...]) -> list[Column]:
    return [
        Column("classifier", [str(score.name) for score in scores], importance=9),
        Column("parameter", [score.parameter for score in scores], importance=4),
        Column(
            "cross-validation", [_cross_validation(score) for score in scores], is_number=True, importance=8
        ),
        Column("train", [percent(score.train.share) for score in scores], is_number=True, importance=5),
        Column("val", [percent(score.val.share) for score in scores], is_number=True, importance=7),
        Column("time", [f"{score.seconds:.1f} s" for score in scores], is_number=True, importance=3),
    ]


def _cross_validation(score: ClassifierScore) -> str:
    if score.cv_accuracy is None or score.cv_standard_error is None:
        return ""
    return f"{percent(score.cv_accuracy)} ± {percent(score.cv_standard_error)}"
