"""The settings of `finetune`, checked before any work; all problems are reported at once."""

import enum
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, field, fields
from pathlib import Path
from typing import Any, Literal

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import UsageError
from cnncli.networks import blueprint, model_folder, pocket
from cnncli.networks.dependencies import package_versions
from cnncli.networks.normalization import Normalization
from cnncli.networks.prepared import is_exported
from cnncli.networks.reference import Reference
from cnncli.records.choices import TrackerName
from cnncli.records.data import DataPath
from cnncli.records.defaults import MAX_PIXELS, MAX_SEED
from cnncli.records.engines import EngineOptions
from cnncli.records.list_columns import ListColumns
from cnncli.records.progress import Progress
from cnncli.records.tasks import AnswerKind, Task
from cnncli.records.training import ClassifierName, ClassWeights, RecipeName, Tune
from cnncli.text import csv_row, is_url, share_hint
from cnncli.training.options import TrainingOptions
from cnncli.training.resolve import is_in_effect
from cnncli.training.settings_file import RecordedSettings

MOST_VIEWS = 100
"""Largest `--augment-features`."""

MIN_FOLDS, MAX_FOLDS = 2, 100
"""Smallest and largest `--folds`."""

VAL_SPLIT = 0.2
"""Default share of each class that is held out for validation."""


@frozen_dataclass
class FinetuneSettings:
    """Settings of both ways of fine-tuning: fitting a classifier to features, and training the network itself.

    Attributes:
        data: a labelled folder, a list or archives.
        reference: the network to start from.
        tune: what is trained.
        layer: layer at which the network is cut before it is fine-tuned; None for the whole network.
        columns: columns of a list.
        output: folder of the run; None for the next free one in `runs/`.
        overwrite: replace an earlier run in `output`.
        classifier: classifier on the features.
        augment_features: random views of each image that the classifier learns from, in addition to the image itself.
        class_weights: how the loss weights classes.
        val_split: share of each class that is held out where the data has no validation split.
        seed: random seed of the split, the folds, the views and training.
        max_pixels: larger images are not decoded.
        engine_options: engine, device, precision.
        batch_size: images per batch; None leaves it to the engine.
        workers: threads that decode images; None for one per core.
        task_weights: weights of tasks in the loss, by name; 1 for the others.
        folds: folds in which classifiers on features are evaluated in addition; 0 for none.
        track: trackers that the run is logged to.
    """

    _: KW_ONLY
    data: DataPath
    reference: Reference
    tune: Tune
    layer: str | None = None
    columns: ListColumns = field(default_factory=ListColumns)
    output: Path | None = None
    overwrite: bool = False
    classifier: ClassifierName = ClassifierName.AUTO
    augment_features: int = 0
    class_weights: ClassWeights = ClassWeights.NONE
    val_split: float = VAL_SPLIT
    seed: int = 0
    max_pixels: int = MAX_PIXELS
    engine_options: EngineOptions = field(default_factory=EngineOptions)
    batch_size: int | None = None
    workers: int | None = None
    task_weights: Mapping[str, float] = field(default_factory=dict)
    folds: int = 0
    track: tuple[TrackerName, ...] = ()

    @property
    def start(self) -> str:
        """The network to start from, for messages."""
        return f"{self.reference.name}, cut at {self.layer}" if self.layer else self.reference.name

    def weights_of(self, tasks: Sequence[Task]) -> tuple[float, ...]:
        """The weight of each task in the loss."""
        return tuple(self.task_weights.get(task.name, 1.0) for task in tasks)

    def __post_init__(self) -> None:
        if problems := [*_out_of_range(self), *_unsuitable_for_tasks(self), *_no_effect(self)]:
            raise UsageError("; ".join(problems))


@frozen_dataclass
class FeatureSettings(FinetuneSettings):
    """`--tune features`: a classifier is fitted to the network's features."""

    _: KW_ONLY
    tune: Literal[Tune.FEATURES] = Tune.FEATURES


@frozen_dataclass
class NetworkSettings(FinetuneSettings):
    """Training the network itself.

    Attributes:
        options: how it is trained.
        stages: number of stages that `last` trains in addition to the last layer.
        recipe: the recipe that the options come from; None for none.
        may_shorten: whether `auto` may train for fewer epochs than the options say, since nobody asked for them.
    """

    _: KW_ONLY
    options: TrainingOptions
    stages: int = 0
    recipe: RecipeName | None = None
    may_shorten: bool = False


def _out_of_range(settings: FinetuneSettings) -> Iterator[str]:
    if not 0 < settings.val_split < 1:
        share = share_hint(settings.val_split)
        yield f"--val-split must be between 0 and 1, not {settings.val_split:g}" + (
            f": {share}" if share else ""
        )
    if not 0 <= settings.augment_features <= MOST_VIEWS:
        yield f"--augment-features must be between 0 and {MOST_VIEWS}, not {settings.augment_features}"
    if settings.folds and not MIN_FOLDS <= settings.folds <= MAX_FOLDS:
        yield f"--folds must be between {MIN_FOLDS} and {MAX_FOLDS}, not {settings.folds}"
    if not 0 <= settings.seed <= MAX_SEED:
        yield f"--seed must be between 0 and {MAX_SEED:,}, not {settings.seed}"
    if settings.overwrite and settings.output is None:
        yield "--overwrite needs --output: without it a run gets a new name"


def _unsuitable_for_tasks(settings: FinetuneSettings) -> Iterator[str]:
    """What cannot be done with the tasks of the data, or has no effect on them."""
    tasks, classifier = settings.columns.tasks, settings.classifier
    for name, weight in settings.task_weights.items():
        if not (weight > 0 and math.isfinite(weight)):
            yield f"--task-weight {name}={weight:g}: a weight is above 0"
        elif tasks and name not in {task.name for task in tasks}:
            names = ", ".join(task.name for task in tasks)
            yield f"--task-weight {name}={weight:g}: there is no task {name!r}, only {names}"
    if settings.task_weights and len(tasks) <= 1:
        yield "--task-weight has no effect without several tasks: see --label-column and --multi-label"
    elif settings.task_weights and settings.tune is Tune.FEATURES:
        yield "--task-weight has no effect with --tune features, which fits a classifier to each task alone"
    if tasks and classifier is ClassifierName.KNN:
        yield "--classifier knn cannot learn tasks, whose classifiers become one linear layer"
    if (
        classifier in {ClassifierName.SVM, ClassifierName.CENTROID}
        and all(map(_has_several_labels, tasks))
        and tasks
    ):
        yield f"--classifier {classifier} has no effect on several labels per image, each of which gets a logistic regression"


def _has_several_labels(task: Task) -> bool:
    return task.kind is AnswerKind.SEVERAL


def _no_effect(settings: FinetuneSettings) -> Iterator[str]:
    """Settings that would be accepted and ignored."""
    tune, classifier = settings.tune, settings.classifier
    if settings.class_weights is ClassWeights.BALANCED and classifier is ClassifierName.CENTROID:
        yield "--class-weights has no effect on centroids: leave it out, or choose another --classifier"
    if settings.augment_features and tune not in {Tune.FEATURES, Tune.AUTO}:
        yield f"--augment-features has no effect with --tune {tune}, which augments images itself: see --augment"
    if settings.folds and tune is not Tune.FEATURES:
        yield f"--folds has no effect with --tune {tune}: it evaluates classifiers on features, with --tune features"
    if classifier is ClassifierName.KNN and tune in {Tune.FULL, Tune.LAST}:
        yield f"--classifier knn cannot be trained further, as --tune {tune} would"
    if tune is Tune.SCRATCH and settings.reference.weights:
        yield "--weights has no effect with --tune scratch, which starts from random weights"
    if tune not in {Tune.HEAD, Tune.SCRATCH}:
        return
    if classifier is not ClassifierName.AUTO:
        yield f"--classifier has no effect with --tune {tune}"
    if settings.engine_options != EngineOptions(device=settings.engine_options.device):
        yield f"--engine and --precision have no effect with --tune {tune}: see --amp"


def choose_tune(tune: Tune, reference: Reference, progress: Progress) -> Tune:
    """What is trained, where the value is `auto` and the network leaves no choice.

    `auto` becomes `scratch` for a network without weights, whose features are worthless, and `features` for an exported
    network, whose weights cannot be trained.

    Args:
        tune: the `--tune` value.
        reference: the network to start from.
        progress: reports the choice.

    Raises:
        ModelFolderError: an exported network with a `--tune` other than `features`.
        UsageError: a blueprint, for which no weights are published, with a `--tune` other than `scratch`.
    """
    if is_exported(reference):
        return _tune_exported(tune, reference, progress)
    is_blueprint = blueprint.is_blueprint(reference.name) and reference.weights is None
    if tune is Tune.AUTO and (is_blueprint or not reference.pretrained) and not reference.find_folder():
        progress.notice(f"{reference.name} has no weights to start from: using --tune scratch")
        return Tune.SCRATCH
    if is_blueprint and reference.pretrained and tune is not Tune.SCRATCH:
        raise UsageError(
            f"--tune {tune} starts from weights, and none are published for the blueprint {reference.name}",
            "--tune scratch trains it from random weights; --weights FILE uses your own",
        )
    return tune


def _tune_exported(tune: Tune, reference: Reference, progress: Progress) -> Tune:
    if tune not in {Tune.AUTO, Tune.FEATURES}:
        raise model_folder.no_weights_error(reference.name)
    if tune is Tune.AUTO:
        progress.notice(f"{reference.name} is an exported network: using --tune features")
    return Tune.FEATURES


def record_settings(
    settings: FinetuneSettings, base_model: str, weights_origin: str, data_digest: str | None
) -> RecordedSettings:
    """The settings as a run records them.

    Args:
        settings: the run's settings.
        base_model: name of the network that the run starts from.
        weights_origin: origin of its weights.
        data_digest: SHA-256 of the listing of the images; None where they were not read beforehand.
    """
    return RecordedSettings(
        option_values(settings), base_model, weights_origin, data_digest, package_versions()
    )


def option_values(settings: FinetuneSettings) -> dict[str, Any]:
    """Settings by the names of their options; unset ones are left out."""
    reference, columns, engine = settings.reference, settings.columns, settings.engine_options
    values = {
        "data": absolute(settings.data),
        "model": _model(reference),
        "weights": absolute(reference.weights),
        "no_pretrained": not reference.pretrained,
        "img_size": reference.image_size and "{}x{}".format(*reference.image_size),
        "layer": settings.layer,
        **_column_values(columns),
        "task_weight": [f"{name}={weight!r}" for name, weight in settings.task_weights.items()] or None,
        "tune": str(settings.tune),
        "classifier": settings.classifier.value,
        "augment_features": settings.augment_features,
        "class_weights": settings.class_weights.value,
        "val_split": settings.val_split,
        "seed": settings.seed,
        "folds": settings.folds or None,
        "track": list(map(str, settings.track)) or None,
        "max_pixels": settings.max_pixels,
        "device": engine.device,
        "engine": engine.engine.value,
        "precision": engine.precision.value,
        "batch_size": settings.batch_size,
        "workers": settings.workers,
    }
    if settings.tune in {Tune.HEAD, Tune.SCRATCH}:
        values = {name: value for name, value in values.items() if name not in _CLASSIFIER_OPTIONS}
    if isinstance(settings, NetworkSettings):
        if settings.tune is Tune.LAST:
            values["tune"] = f"last:{settings.stages}"
        values["recipe"] = settings.recipe and settings.recipe.value
        values |= training_option_values(settings.options)
    return {name: value for name, value in values.items() if value is not None}


def _column_values(columns: ListColumns) -> dict[str, Any]:
    """The columns of a list by the names of their options."""
    several = {
        "label_column": list(columns.labels) or None,
        "multi_label": list(columns.multi_label) or None,
        "label_separator": columns.separator,
        "indicator_columns": csv_row(columns.indicators).removesuffix("\n") or None,
    }
    return {
        "path_column": columns.path,
        **(several if columns.tasks else {"label_column": columns.label}),
        "split_column": columns.split,
        "group_column": columns.group or None,
        "group_by": columns.group_by or None,
        "root": absolute(columns.root),
        "image_column": columns.image,
    }


_CLASSIFIER_OPTIONS = frozenset({"classifier", "augment_features", "engine", "precision"})
"""Options without effect where no classifier is fitted to features."""


def _model(reference: Reference) -> str | None:
    """The `--model` value that means the same network from any folder."""
    is_path = (
        reference.is_exported
        or reference.saved_folder
        or reference.find_folder() not in {None, pocket.FOLDER}
    )
    return absolute(reference.name) if is_path else reference.name


def training_option_values(options: TrainingOptions) -> dict[str, Any]:
    """Training options as they are typed; those without effect are left out."""
    values = {item.name: getattr(options, item.name) for item in fields(options)}
    values["lr"] = "auto" if options.lr is None else options.lr
    if options.kd_model and options.kd_model.exists():
        values["kd_model"] = absolute(options.kd_model)
    return {name: as_text(value) for name, value in values.items() if is_in_effect(name, options)}


def as_text(value: Any) -> Any:  # noqa: ANN401 - of any option
    """An option's value as it is typed; numbers and flags are unchanged."""
    if isinstance(value, tuple):
        return ",".join(map(repr, value))
    return str(value) if isinstance(value, enum.Enum | Path | Normalization) else value


def absolute(path: DataPath | None) -> str | None:
    """A path that means the same from any folder; a URL does anyway."""
    if path is None:
        return None
    return str(path) if is_url(str(path)) else str(Path(path).expanduser().resolve())
