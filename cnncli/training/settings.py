"""What is asked of a training, checked at once: all that is wrong with it is told together."""

import enum
import platform
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from importlib import metadata
from pathlib import Path
from typing import Any

from cnncli import __version__
from cnncli.data.layout import ListColumns
from cnncli.errors import UsageError
from cnncli.images.decode import MAX_PIXELS
from cnncli.networks import pocket
from cnncli.networks.reference import Reference
from cnncli.records.engines import EngineOptions
from cnncli.records.training import ClassifierName, ClassWeights, Tune
from cnncli.training.options import TrainingOptions, is_in_effect

MOST_VIEWS = 100
VAL_SPLIT = 0.2
"""Share of each class that is held out, when nobody says."""


@dataclass(frozen=True, slots=True)
class FinetuneSettings:
    """What is asked of a training.

    Attributes:
        data: a labelled folder or list.
        reference: the network to start from.
        columns: of a list.
        output: the folder of the run; None for the next free one in `runs/`.
        overwrite: replace a run that already exists.
        tune: which part of the network learns.
        stages: that learn with `last`, beside the last layer.
        levers: of training the network itself; None with `features`.
        classifier: what is fitted to embeddings.
        augment_features: random views of each image for training, beside the image itself.
        class_weights: what an image counts.
        val_split: share of each class that is held out, where the data has no validation split.
        seed: of the split, the folds and the views.
        max_pixels: larger images are not decoded.
        running: engine, device, precision.
        batch_size: images at a time; None leaves it to the engine.
        workers: threads that decode; None is one a core.
    """

    data: Path
    reference: Reference
    columns: ListColumns = field(default_factory=ListColumns)
    output: Path | None = None
    overwrite: bool = False
    tune: Tune = Tune.FEATURES
    stages: int = 0
    levers: TrainingOptions | None = None
    classifier: ClassifierName = ClassifierName.AUTO
    augment_features: int = 0
    class_weights: ClassWeights = ClassWeights.NONE
    val_split: float = VAL_SPLIT
    seed: int = 0
    max_pixels: int = MAX_PIXELS
    running: EngineOptions = field(default_factory=EngineOptions)
    batch_size: int | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        if problems := list(self._problems()):
            raise UsageError("; ".join(problems))

    def _problems(self) -> Iterator[str]:
        if not 0 < self.val_split < 1:
            yield f"--val-split is a share between 0 and 1, not {self.val_split:g}"
        if not 0 <= self.augment_features <= MOST_VIEWS:
            yield f"--augment-features is a number from 0 to {MOST_VIEWS}, not {self.augment_features}"
        if self.class_weights is ClassWeights.BALANCED and self.classifier is ClassifierName.CENTROID:
            yield "--class-weights has no effect on centroids: leave it out, or choose another --classifier"
        if self.overwrite and self.output is None:
            yield "--overwrite needs --output: without it a run takes a name that is free"
        if self.seed < 0:
            yield f"--seed is a number from 0, not {self.seed}"
        yield from self._without_effect()

    def _without_effect(self) -> Iterator[str]:
        """What would be accepted and ignored."""
        fits_classifier = self.tune not in {Tune.HEAD, Tune.SCRATCH}
        tune = f"--tune {self.tune}"
        if self.augment_features and self.tune not in {Tune.FEATURES, Tune.AUTO}:
            yield f"--augment-features has no effect with {tune}, which sees new views each epoch: see --augment"
        if self.classifier is not ClassifierName.AUTO and not fits_classifier:
            yield f"--classifier has no effect with {tune}"
        if self.classifier is ClassifierName.KNN and self.tune in {Tune.FULL, Tune.LAST}:
            yield f"--classifier knn cannot be trained further, as {tune} would"
        if self.running != EngineOptions(device=self.running.device) and not fits_classifier:
            yield f"--engine and --precision have no effect with {tune}: see --amp"
        if self.tune is Tune.SCRATCH and self.reference.weights:
            yield "--weights has no effect with --tune scratch, which starts from random ones"


def recorded(settings: FinetuneSettings, name: str, origin: str, data_digest: str | None) -> dict[str, Any]:
    """The settings as a run keeps them: each under the name of its option, and what they met under `made`.

    Args:
        settings: as they were asked for.
        name: of the network that the run started from.
        origin: of its weights.
        data_digest: of the listing of the images; None where they were not looked at beforehand.
    """
    made = {"started_from": name, "weights": origin, "data_digest": data_digest} | versions()
    return as_options(settings) | {"made": {fact: value for fact, value in made.items() if value is not None}}


def as_options(settings: FinetuneSettings) -> dict[str, Any]:
    """Settings under the names of the options that ask for them; those that are left to chance or choice are missing."""
    reference, columns, running = settings.reference, settings.columns, settings.running
    options = {
        "data": _absolute(settings.data),
        "model": _model(reference),
        "weights": _absolute(reference.weights),
        "no_pretrained": not reference.pretrained,
        "img_size": reference.image_size and "{}x{}".format(*reference.image_size),
        "path_column": columns.path,
        "label_column": columns.label,
        "split_column": columns.split,
        "root": _absolute(columns.root),
        "tune": f"last:{settings.stages}" if settings.tune is Tune.LAST else settings.tune.value,
        "classifier": settings.classifier.value,
        "augment_features": settings.augment_features,
        "class_weights": settings.class_weights.value,
        "val_split": settings.val_split,
        "seed": settings.seed,
        "max_pixels": settings.max_pixels,
        "device": running.device,
        "engine": running.engine.value,
        "precision": running.precision.value,
        "batch_size": settings.batch_size,
        "workers": settings.workers,
    }
    if settings.tune in {Tune.HEAD, Tune.SCRATCH}:
        options = {name: value for name, value in options.items() if name not in _OF_CLASSIFIERS}
    if settings.levers:
        options |= _of_levers(settings.levers)
    return {name: value for name, value in options.items() if value is not None}


def _model(reference: Reference) -> str | None:
    """What to type for the same network from any folder."""
    folder = reference.find_folder()
    return reference.name if folder in {None, pocket.FOLDER} else _absolute(Path(reference.name))


_OF_CLASSIFIERS = frozenset({"classifier", "augment_features", "engine", "precision"})
"""Options without effect where no classifier is fitted to features."""


def _of_levers(levers: TrainingOptions) -> dict[str, Any]:
    """TrainingOptions as they are typed."""
    values = {
        field.name: getattr(levers, field.name) for field in fields(levers) if field.name != "augmentation"
    }
    values |= {field.name: getattr(levers.augmentation, field.name) for field in fields(levers.augmentation)}
    values["lr"] = "auto" if levers.lr is None else levers.lr
    values["kd_model"] = (
        _absolute(levers.kd_model) if levers.kd_model and levers.kd_model.exists() else levers.kd_model
    )
    if levers.kd_model is None:
        del values["kd_weight"], values["kd_temperature"]
    return {name: typed(value) for name, value in values.items() if is_in_effect(name, levers)}


def typed(value: Any) -> Any:  # noqa: ANN401 - whatever a lever is
    """A value as it stands on a command line, or in a settings file."""
    if isinstance(value, tuple):
        return ",".join(map(repr, value))
    return str(value) if isinstance(value, enum.Enum | Path) else value


def _absolute(path: Path | None) -> str | None:
    """So that the file means the same wherever it is read."""
    return str(path.expanduser().resolve()) if path else None


def versions() -> dict[str, str]:
    """Of what has a hand in a run."""
    packages = ("numpy", "pillow", "onnxruntime", "scikit-learn", "torch", "timm")
    return {"cnncli": __version__, "python": platform.python_version()} | {
        package: metadata.version(package) for package in packages
    }
