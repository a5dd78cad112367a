"""`cnncli finetune`: prepare a run, train the network, publish the result; `resume` continues an interrupted one."""

import contextlib
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cnncli.data.splits import splits_table
from cnncli.dataclass import frozen_dataclass
from cnncli.networks import blueprint
from cnncli.networks.known import require_known
from cnncli.networks.model_folder import ModelFolder
from cnncli.networks.prepared import find_prepared
from cnncli.prepare import require_preparable
from cnncli.records.data import DataSet, Split
from cnncli.records.progress import Progress, ProgressBar, activity_if_many
from cnncli.records.training import FinetuneResult, Tune
from cnncli.text import counted, duration
from cnncli.training import run_folder
from cnncli.training.cut import prepare_start, resolve_start
from cnncli.training.features.class_search import LinearStart
from cnncli.training.features.fit import FeatureSearch, search_classifiers
from cnncli.training.features.publish import finetune_features, write_run
from cnncli.training.manifest import RunManifest
from cnncli.training.preparation import Stopwatch, describe_data, find_images
from cnncli.training.processes import is_main
from cnncli.training.settings import FeatureSettings, NetworkSettings, absolute, record_settings
from cnncli.training.settings_file import RecordedSettings
from cnncli.training.tracking.track import Tracking

if TYPE_CHECKING:
    from cnncli.training.network.initial import InitialModel
    from cnncli.training.network.throughput import Throughput
    from cnncli.training.network.trainer import Show

_FEWEST_EPOCHS = 3
"""`auto` trains the network only if so many epochs fit into the time budget."""

_VALIDATION_COST = 1 / 3
"""Time per validation image, as a share of that per training image: a forward pass is a third of a step."""


def finetune(
    settings: FeatureSettings | NetworkSettings,
    progress: Progress,
    bar: ProgressBar,
    show: "Show",
    *,
    is_offline: bool = False,
) -> FinetuneResult | None:
    """Fine-tune a network on labelled images.

    Args:
        settings: the run's settings.
        progress: reports each step and what is left out.
        bar: opens a progress bar over the images.
        show: called after each training step.
        is_offline: download nothing.

    Returns:
        The result; None in all torchrun processes but the first.

    Raises:
        CnncliError: the data or the network cannot be used, or the run cannot be written.
    """
    stopwatch = Stopwatch(progress)
    with Tracking(settings.track, stopwatch) as tracking:
        if isinstance(settings, NetworkSettings):
            result = _finetune_network(settings, stopwatch, bar, show, tracking, is_offline=is_offline)
        else:
            result = finetune_features(settings, stopwatch, bar, is_offline=is_offline) if is_main() else None
        if result:
            tracking.finish(result)
    return result and replace(result, timings=tuple(stopwatch.timings))


def _finetune_network(
    settings: NetworkSettings,
    stopwatch: Stopwatch,
    bar: ProgressBar,
    show: "Show",
    tracking: Tracking,
    *,
    is_offline: bool,
) -> FinetuneResult | None:
    prepared = PreparedRun(None, None)
    with contextlib.ExitStack() as locks:
        images = find_images(settings, stopwatch, locks) if is_main() else None
        _require_network(settings, is_offline=is_offline)
        with stopwatch.measure("importing torch"):
            from cnncli.training.network import publish, trainer
        if images:
            prepared = prepare_run(settings, *images, stopwatch, bar, is_offline=is_offline)
        if prepared.run and images:
            tracking.start(prepared.run, images[0].tasks)
        with stopwatch.measure("training"):
            run = trainer.train(prepared.run, settings, stopwatch.progress, tracking.watch(show))
        if run is None or not is_main():
            return prepared.features
        return publish.publish(run, settings, prepared.features, stopwatch, bar)


def _require_network(settings: NetworkSettings, *, is_offline: bool) -> None:
    """Check what can be known of the network before torch is imported, which takes seconds.

    Raises:
        CnncliError: there is no such network, its weights are unavailable, or its input is not an image.
    """
    reference = settings.reference
    if find_prepared(reference):
        return
    if blueprint.is_blueprint(reference.name):
        blueprint.find_for_images(reference.name, reference.image_size)
    if settings.tune is Tune.SCRATCH:
        require_known(reference)
    else:
        require_preparable(reference, is_offline=is_offline)


@frozen_dataclass
class PreparedRun:
    """A run before training.

    Attributes:
        run: its folder; None where no network is to be trained.
        features: result of the classifier on features, where `auto` fitted one.
    """

    run: Path | None
    features: FinetuneResult | None


def prepare_run(
    settings: NetworkSettings,
    data: DataSet,
    target: run_folder.Target,
    stopwatch: Stopwatch,
    bar: ProgressBar,
    *,
    is_offline: bool,
) -> PreparedRun:
    """Do everything before the first training step: build the network, create the run's folder.

    Args:
        settings: the run's settings.
        data: the labelled images.
        target: where the run is written.
        stopwatch: times and reports each step.
        bar: opens a progress bar over the images.
        is_offline: download nothing.

    Raises:
        CnncliError: the data or the network cannot be used, or the run cannot be written.
    """
    if settings.tune in {Tune.HEAD, Tune.SCRATCH}:
        return _prepare_directly(settings, data, target, stopwatch, is_offline=is_offline)
    return _prepare_from_features(settings, data, target, stopwatch, bar, is_offline=is_offline)


def _prepare_from_features(
    settings: NetworkSettings,
    data: DataSet,
    target: run_folder.Target,
    stopwatch: Stopwatch,
    bar: ProgressBar,
    *,
    is_offline: bool,
) -> PreparedRun:
    """`last`, `full` and `auto`, whose last layer starts as a classifier on the network's features."""
    from cnncli.training.network import trainer
    from cnncli.training.network.initial import from_weights

    def require_trainable(folder: ModelFolder, data: DataSet) -> None:
        trial = from_weights(folder, None, data, settings.options.drop_path)
        trainer.require_trainable(trial, settings)

    progress = stopwatch.progress
    search = search_classifiers(
        settings, data, target, stopwatch, bar, require_usable=require_trainable, is_offline=is_offline
    )
    data, card = search.embedded.data, search.folder.card
    linear = search.result.linear()
    features = _publish_features(search, settings, linear, stopwatch)
    with stopwatch.measure("measuring the speed of training"):
        head = linear.head if linear else None
        initial = from_weights(search.folder, head, data, settings.options.drop_path)
        trained = trainer.without_lower_stages(initial, settings) if features else settings
        images = None if features else _training_images(settings, data)
        throughput = trainer.fastest_throughput(initial, trained, images, progress)
    if features:
        epochs, reason = _epochs_in_budget(settings, throughput, data, card.preprocessing.size)
        progress.notice(reason)
        if not epochs:
            return PreparedRun(None, replace(features, reason=f"{features.reason}; {reason}"))
        settings = replace(settings, options=replace(settings.options, epochs=epochs))
    recorded = record_settings(settings, card.name, card.weights_origin, search.embedded.digest())
    if features:
        run = Path(features.folder)
        recorded.write(run)
        settings = replace(settings, tune=trained.tune, stages=trained.stages)
    else:
        run = _create_folder(search.target, data, recorded, progress)
    manifest = replace(
        _manifest(settings, initial, data, card.name),
        feature_accuracy=features.val if features else None,
        feature_loss=features.val_loss if features else None,
        feature_balanced=features.classifier.val_balanced if features and features.classifier else None,
        feature_task_score=linear.score if features and linear and data.tasks else None,
        initial_accuracy=linear.score if linear else None,
        unreadable=search.embedded.unreadable_samples(),
    )
    trainer.write_start(run, initial, throughput, settings, manifest)
    return PreparedRun(run, features)


def _publish_features(
    search: FeatureSearch, settings: NetworkSettings, linear: LinearStart | None, stopwatch: Stopwatch
) -> FinetuneResult | None:
    """Write the classifier on features as a run, with `auto`; report how accurate it is."""
    if settings.tune is Tune.AUTO:
        result = write_run(search, settings, stopwatch)
        text = search.result.text
        stopwatch.progress.notice(f"a classifier on its features: {text} on val, saved in {result.folder}")
        return result
    if linear:
        stopwatch.progress.notice(
            f"its last layer starts as a classifier on its features: {linear.text} on val"
        )
    return None


def _prepare_directly(
    settings: NetworkSettings,
    data: DataSet,
    target: run_folder.Target,
    stopwatch: Stopwatch,
    *,
    is_offline: bool,
) -> PreparedRun:
    """`head` and `scratch`, which need no features."""
    from cnncli.training.network import trainer

    progress = stopwatch.progress
    with stopwatch.measure("building the network"):
        initial, base_model, origin = _build_initial(settings, data, progress, is_offline=is_offline)
        trainer.require_trainable(initial, settings)
    describe_data(data, progress)
    with stopwatch.measure("measuring the speed of training"):
        throughput = trainer.fastest_throughput(initial, settings, _training_images(settings, data), progress)
    run = _create_folder(target, data, record_settings(settings, base_model, origin, None), progress)
    manifest = _manifest(settings, initial, data, base_model)
    trainer.write_start(run, initial, throughput, settings, manifest)
    return PreparedRun(run, None)


def _build_initial(
    settings: NetworkSettings, data: DataSet, progress: Progress, *, is_offline: bool
) -> tuple["InitialModel", str, str]:
    """The network for `head` or `scratch`, the name of what it started from, and the origin of its weights."""
    from cnncli.training.network.initial import from_scratch, from_weights

    if settings.tune is Tune.SCRATCH:
        untrained = resolve_start(settings, progress, is_offline=is_offline)
        progress.notice(f"starting from {untrained.name} with random weights")
        initial = from_scratch(untrained, data, settings.seed, settings.options)
        return initial, initial.card.name, "random"
    progress.notice(f"starting from {settings.start} with a new last layer")
    folder = prepare_start(settings, progress, is_offline=is_offline)
    initial = from_weights(folder, None, data, settings.options.drop_path)
    return initial, folder.card.name, folder.card.weights_origin


def _training_images(settings: NetworkSettings, data: DataSet) -> int:
    return settings.options.epochs * len(data.split(Split.TRAIN))


def _epochs_in_budget(
    settings: NetworkSettings, throughput: "Throughput", data: DataSet, size: tuple[int, int]
) -> tuple[int, str]:
    """The number of epochs that fit into the time budget, 0 if too few do; and a message that says so."""
    from cnncli.training.network.schedule import enough_epochs, pixel_share

    train = len(data.split(Split.TRAIN))
    options = settings.options
    if settings.may_shorten:
        options = replace(options, epochs=enough_epochs(options, train))
    images = train * pixel_share(options, size)
    images += len(data.split(Split.VAL)) * _VALIDATION_COST
    minutes_per_epoch = images / throughput.images_per_second / 60
    fitting = (
        options.epochs if not options.time_budget else math.floor(options.time_budget / minutes_per_epoch)
    )
    fewest = min(_FEWEST_EPOCHS, options.epochs)
    if fitting < fewest:
        return 0, (
            f"training the network would take {duration(fewest * minutes_per_epoch)} for {counted(fewest, 'epoch')}, more than "
            f"--time-budget {options.time_budget:g}: keeping the classifier on features"
        )
    epochs = min(fitting, options.epochs)
    return (
        epochs,
        f"training the network: up to {counted(epochs, 'epoch')} in about {duration(epochs * minutes_per_epoch)}",
    )


def _create_folder(
    target: run_folder.Target, data: DataSet, settings: RecordedSettings, progress: Progress
) -> Path:
    """The folder of a run that is to be trained, with its settings and its splits."""
    with run_folder.draft_run(target) as draft:
        with activity_if_many(progress, "computing digests of the images", len(data.samples)):
            run_folder.write_files(draft, [splits_table(data)], settings)
        (draft / run_folder.CHECKPOINTS).mkdir()
        return run_folder.install_run(draft, target)


def _manifest(
    settings: NetworkSettings, initial: "InitialModel", data: DataSet, base_model: str
) -> RunManifest:
    return RunManifest(
        card=initial.card,
        tune=settings.tune,
        stages=settings.stages,
        epochs=settings.options.epochs,
        data_name=data.name,
        root=absolute(data.root) or "",
        base_model=base_model,
        feature_accuracy=None,
        feature_loss=None,
        remarks=data.remarks,
    )
