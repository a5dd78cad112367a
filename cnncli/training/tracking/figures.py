"""The figures of a run under the names that TensorBoard and trackers show."""

import math
import statistics
from collections.abc import Mapping, Sequence

from cnncli.records.evaluation import Accuracy, Estimate
from cnncli.records.tasks import Task
from cnncli.records.training import Epoch, FinetuneResult, TaskScore

Figures = Mapping[str, float]


def epoch_figures(epoch: Epoch, tasks: Sequence[Task]) -> Figures:
    """The figures of an epoch; those that are unknown are left out.

    Args:
        epoch: the epoch.
        tasks: what the network learns; empty where images have one class each.
    """
    scores = {f"score/{task.name}": score for task, score in zip(tasks, epoch.val_scores, strict=bool(tasks))}
    return _known(
        {
            "loss/train": epoch.train_loss,
            "loss/val": epoch.val_loss,
            "top1/train": epoch.train_top1,
            "top1/val": epoch.val_top1,
            "balanced/val": epoch.val_balanced,
            **scores,
            "lr": epoch.lr,
            "images_per_second": epoch.images_per_second,
        }
    )


def final_figures(result: FinetuneResult) -> Figures:
    """What a run has achieved, with the ends of 95 % intervals as `_low` and `_high`; unknown figures are left out."""
    figures: dict[str, float | None] = {"final/best_epoch": result.best_epoch}
    for split, accuracy, loss in (
        ("train", result.train, None),
        ("val", result.val, result.val_loss),
        ("test", result.test, result.test_loss),
    ):
        figures |= {**_with_interval(f"{split}_accuracy", accuracy), f"final/{split}_loss": loss}
    if result.tasks:
        for split, scores in (("val", result.tasks.val), ("test", result.tasks.test)):
            for score in scores:
                figures |= _task_figures(split, score)
    if result.folds:
        folds = [fold.score for fold in result.folds]
        figures |= {"final/folds_mean": statistics.mean(folds), "final/folds_sd": statistics.stdev(folds)}
    return _known(figures)


def _task_figures(split: str, score: TaskScore) -> Mapping[str, float | None]:
    return {
        **_with_interval(f"{split}_{score.task}_accuracy", score.accuracy),
        **_with_interval(f"{split}_{score.task}_mAP", score.mean_average_precision),
        **_with_interval(f"{split}_{score.task}_micro_f1", score.micro_f1),
    }


def _with_interval(name: str, measured: Accuracy | Estimate | None) -> Mapping[str, float | None]:
    if measured is None:
        return {}
    value = measured.share if isinstance(measured, Accuracy) else measured.value
    return {f"final/{name}": value, f"final/{name}_low": measured.low, f"final/{name}_high": measured.high}


def _known(figures: Mapping[str, float | None]) -> Figures:
    return {name: value for name, value in figures.items() if value is not None and math.isfinite(value)}
