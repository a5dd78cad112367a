"""What a training came to, in words and as JSON."""

import dataclasses
import json

from cnncli.records.training import ClassifierScore, FinetuneResult
from cnncli.render.columns import Column, rows
from cnncli.render.evaluation_text import accuracy_text
from cnncli.text import path_text, percent, printable


def finetuned_text(result: FinetuneResult, width: int | None) -> str:
    """Lines for a person: the classifiers that were tried, how good the chosen one is, where the time went."""
    lines = rows(_columns(result), width) if len(result.trials) > 1 else []
    if result.chosen and not result.best_epoch:
        chosen = result.chosen
        named = f"{chosen.name} ({chosen.strength})" if chosen.strength else str(chosen.name)
        lines.append(f"chosen      {named}: {result.why}")
    else:
        lines.append(f"chosen      {result.why}")
    if result.train:
        lines.append(f"train       {accuracy_text(result.train)}")
    lines.append(f"val         {accuracy_text(result.val)}, loss {result.val_loss:.4f}")
    if result.test and result.test_loss is not None:
        lines.append(f"test        {accuracy_text(result.test)}, loss {result.test_loss:.4f}")
    lines += [
        f"{'time' if not number else '':<12}{step.seconds:6.1f} s  {step.name}"
        for number, step in enumerate(result.steps)
    ]
    lines.append(f"run         {printable(result.folder)}")
    return "\n".join(lines) + "\n"


def finetuned_json(result: FinetuneResult) -> str:
    """Everything, as one object."""
    document = dataclasses.asdict(result)
    document["folder"] = path_text(result.folder)
    document["unreadable"] = [path_text(path) for path in result.unreadable]
    document["remarks"] = [path_text(remark) for remark in result.remarks]
    document["images"] = dict(zip(("train", "val", "test"), result.images, strict=True))
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _columns(result: FinetuneResult) -> list[Column]:
    trials = result.trials
    return [
        Column("classifier", [str(trial.name) for trial in trials], importance=9),
        Column("strength", [trial.strength for trial in trials], importance=4),
        Column(
            "cross-validated", [_cross_validated(trial) for trial in trials], is_number=True, importance=8
        ),
        Column("train", [percent(trial.train.share) for trial in trials], is_number=True, importance=5),
        Column("val", [percent(trial.val.share) for trial in trials], is_number=True, importance=7),
        Column("time", [f"{trial.seconds:.1f} s" for trial in trials], is_number=True, importance=3),
    ]


def _cross_validated(trial: ClassifierScore) -> str:
    if trial.cross_validated is None or trial.standard_error is None:
        return ""
    return f"{percent(trial.cross_validated)} ± {percent(trial.standard_error)}"
