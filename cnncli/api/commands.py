"""Fine-tuning, evaluation and summaries for programs: the records that the commands print."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from cnncli.api.choices import (
    FilePath,
    ImageSize,
    RunOptions,
    choice,
    engine_options,
    in_order,
    inference_options,
    reference,
    require_positive,
    sides,
)
from cnncli.api.reports import Listener, Listening
from cnncli.api.training_options import training_options as checked_options
from cnncli.errors import TrainingError, UsageError
from cnncli.evaluation.evaluate import EvaluationSettings, plan_evaluation
from cnncli.evaluation.evaluate import evaluate as evaluate_classes
from cnncli.evaluation.tasks.evaluate import concerns_tasks, evaluate_plan, plan_tasks
from cnncli.inspection.rollup import rows
from cnncli.networks.reference import Reference
from cnncli.prepare import prepare
from cnncli.records.anatomy import Summary
from cnncli.records.choices import SplitChoice, TrackerName
from cnncli.records.defaults import KNOWN_SHARE, MAX_PIXELS
from cnncli.records.evaluation import Evaluation
from cnncli.records.list_columns import ListColumns
from cnncli.records.task_evaluation import TasksEvaluation
from cnncli.records.training import ClassifierName, ClassWeights, FinetuneResult, RecipeName
from cnncli.training.requested import requested_settings
from cnncli.training.run import finetune as start
from cnncli.training.settings import VAL_SPLIT

DEFAULT_COLUMNS = ListColumns()


def finetune(
    data: FilePath,
    model: FilePath | None = None,
    *,
    weights: FilePath | None = None,
    image_size: ImageSize | None = None,
    tune: str | None = None,
    classifier: str = "auto",
    output: FilePath | None = None,
    overwrite: bool = False,
    columns: ListColumns = DEFAULT_COLUMNS,
    val_split: float = VAL_SPLIT,
    class_weights: str = "none",
    augment_features: int = 0,
    folds: int = 0,
    task_weights: Mapping[str, float] | None = None,
    recipe: str | None = None,
    track: str | Sequence[str] = (),
    seed: int = 0,
    device: str = "auto",
    engine: str = "auto",
    precision: str = "fp32",
    workers: int | None = None,
    max_pixels: int = MAX_PIXELS,
    offline: bool = False,
    progress: Listener | None = None,
    **training_options: Any,  # noqa: ANN401 - of any type
) -> FinetuneResult:
    """Fine-tune a network on labelled images; the result's `folder` is a model folder for `load`.

    Args:
        data: a labelled folder, a list or archives.
        model: the network to start from, as for `load`.
        weights: file with weights for it.
        image_size: 224, or (height, width) in pixels; None for the network's own.
        tune: auto, features, head, last:2, full or scratch; None for what the recipe trains, else auto.
        classifier: auto, logistic, svm, knn or centroid.
        output: folder of the run; None for the next free one in `runs/`.
        overwrite: replace an earlier run in `output`.
        columns: columns of a list.
        val_split: share of each class that is held out where the data has no validation split.
        class_weights: none or balanced.
        augment_features: random views of each image that the classifier on features also learns from.
        folds: with features, also report the accuracy over so many folds; 0 for none.
        task_weights: weights of tasks in the loss, by name.
        recipe: a set of defaults, such as keras.
        track: trackers that the run is logged to: mlflow, wandb.
        seed: random seed.
        device: auto, cpu, cuda, cuda:1 or mps.
        engine: what computes the features: auto, onnx, openvino or torch.
        precision: of the features: fp32, bf16, fp16, or auto.
        workers: threads that decode images; None for one per core.
        max_pixels: larger images are not decoded.
        offline: use only what is in the caches.
        progress: called with each message, each image that is done, and each training step.
        training_options: the other options of `cnncli finetune`, with _ for -: `epochs=3, opt="sgd", lr="auto"`.

    Raises:
        CnncliError: the data or the network cannot be used, or the options contradict each other.
    """
    listening = Listening(progress)
    require_positive(workers=workers, max_pixels=max_pixels)
    settings = requested_settings(
        reference(model, listening, weights, image_size=image_size),
        tune,
        choice(RecipeName, "recipe", recipe) if recipe else None,
        checked_options(training_options),
        listening,
        [choice(TrackerName, "track", name) for name in in_order(track)],
        data=os.fspath(data),
        columns=columns,
        output=Path(output) if output is not None else None,
        overwrite=overwrite,
        classifier=choice(ClassifierName, "classifier", classifier),
        augment_features=augment_features,
        folds=folds,
        class_weights=choice(ClassWeights, "class_weights", class_weights),
        val_split=val_split,
        seed=seed,
        max_pixels=max_pixels,
        engine_options=engine_options(engine, device, precision),
        workers=workers,
        task_weights=task_weights or {},
    )
    result = start(settings, listening, listening.bar, listening.training, is_offline=offline)
    if result is None:
        raise TrainingError("this is not the main process of torchrun", "use `torchrun -m cnncli finetune`")
    return result


def evaluate(
    data: FilePath,
    model: FilePath | None = None,
    *,
    columns: ListColumns = DEFAULT_COLUMNS,
    split: str | None = None,
    subset: bool = False,
    threshold: float | None = None,
    others: FilePath | None = None,
    unfamiliar: float = KNOWN_SHARE,
    offline: bool = False,
    progress: Listener | None = None,
    **run_options: Unpack[RunOptions],
) -> Evaluation | TasksEvaluation:
    """Evaluate a network on labelled images.

    Args:
        data: a labelled folder, a list or archives.
        model: the network, as for `load`.
        columns: columns of a list.
        split: train, val, test or all; None takes test, else val, else all.
        subset: whether only the classes of the data can be predicted.
        threshold: also report coverage and accuracy at this confidence.
        others: folder of images that show none of the classes, to be told apart from those that do.
        unfamiliar: share of known images to keep when others are told apart from them.
        offline: use only what is in the caches.
        progress: called with each message, and each image that is done.
        run_options: as for `load`.

    Raises:
        CnncliError: the data or the network cannot be used, or their classes do not match.
    """
    if threshold is not None and not 0 <= threshold <= 1:
        raise UsageError(f"threshold={threshold!r} is not a probability", "use a value from 0 to 1")
    listening = Listening(progress)
    settings = EvaluationSettings(
        data=os.fspath(data),
        columns=columns,
        split=choice(SplitChoice, "split", split) if split else None,
        subset=subset,
        threshold=threshold,
        others=None if others is None else os.fspath(others),
        unfamiliar=unfamiliar,
        inference=inference_options("evaluate", **run_options),
    )
    folders = [prepare(reference(model, listening), listening, is_offline=offline, needs_classes=True)]
    if concerns_tasks(settings, folders):
        (answered,) = evaluate_plan(plan_tasks(settings, folders, listening), listening, listening.bar)
        return answered.evaluation
    plan = plan_evaluation(settings, folders, listening)
    (evaluation,) = evaluate_classes(plan, listening, listening.bar)
    return evaluation


def summary(
    model: FilePath,
    *,
    image_size: ImageSize | None = None,
    batch_size: int = 1,
    channels: int | None = None,
    num_classes: int | None = None,
) -> Summary:
    """The layers of a network and what they cost; no weights are downloaded.

    Args:
        model: as for `load`, or a blueprint.
        image_size: 224, or (height, width) in pixels; None for the network's own.
        batch_size: images per batch.
        channels: of the input image; None for the network's own.
        num_classes: outputs of the last layer; None for the network's own.

    Raises:
        CnncliError: there is no such network, or it cannot be changed like this.
    """
    from cnncli.inspection.network.summary import SummarySettings, inspect_network  # torch

    require_positive(batch_size=batch_size, channels=channels, num_classes=num_classes)
    settings = SummarySettings(sides(image_size), batch_size, channels, num_classes)
    spec, anatomy = inspect_network(Reference(os.fspath(model)), settings)
    return Summary(anatomy, tuple(rows(anatomy.layers, None)), spec.top1)
