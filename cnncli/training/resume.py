"""`cnncli finetune --resume`: continue an interrupted run, or train a finished one for longer."""

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cnncli.data import layout
from cnncli.errors import TrainingError, UsageError
from cnncli.records.progress import Progress, ProgressBar
from cnncli.records.training import FinetuneResult
from cnncli.text import counted
from cnncli.training import run_folder
from cnncli.training.declaration import flag
from cnncli.training.manifest import MANIFEST, RunManifest, load_manifest, save_manifest
from cnncli.training.moved_data import LOCATION, find_moved_images, is_moved, record_move, require_data
from cnncli.training.options import TrainingOptions
from cnncli.training.preparation import Stopwatch
from cnncli.training.processes import is_main, may_restart, restart_may_fail
from cnncli.training.settings import FeatureSettings, NetworkSettings, option_values, training_option_values
from cnncli.training.settings_file import SETTINGS, read_settings
from cnncli.training.tracking.track import Tracking

if TYPE_CHECKING:
    from cnncli.training.network.trainer import Show

CHANGEABLE = frozenset({"epochs", "patience", "time_budget", "cache_size", "track"})
"""Training options that may change when a run is resumed: they do not affect what has been learned so far."""


def find_started(settings: FeatureSettings | NetworkSettings, progress: Progress) -> Path | None:
    """The run that the same command has started before, if torchrun starts it again after a process has died.

    Args:
        settings: of the command.
        progress: warns if that may fail.

    Raises:
        UsageError: the command could not be started again.
    """
    if not may_restart() or isinstance(settings, FeatureSettings):
        return None
    if settings.output is None or settings.overwrite:
        raise UsageError(
            "torchrun --max-restarts resumes the run in --output",
            "name a new folder with --output, without --overwrite",
        )
    if restart_may_fail():
        progress.warning("start torchrun with TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1, or a restart may fail")
    return settings.output if (settings.output / run_folder.CHECKPOINTS / MANIFEST).exists() else None


def resume(
    run: Path, settings: FeatureSettings | NetworkSettings, progress: Progress, bar: ProgressBar, show: "Show"
) -> FinetuneResult | None:
    """Resume an interrupted run, or train a finished one for another number of epochs.

    Args:
        run: its folder.
        settings: those that it was started with; the options in `CHANGEABLE` may differ, and the location of the data.
        progress: reports each step.
        bar: opens a progress bar over the images.
        show: called after each training step.

    Returns:
        As `finetune`.

    Raises:
        CnncliError: the run cannot be resumed, or not with these settings.
    """
    with contextlib.ExitStack() as locks:
        if is_main() and (run / run_folder.CHECKPOINTS).is_dir():
            run_folder.require_no_links(run)
            run_folder.lock_run(run, locks)
        stopwatch = Stopwatch(progress)
        tracking = locks.enter_context(Tracking(settings.track, stopwatch))
        result = _resume(run, settings, stopwatch, bar, show, tracking)
        if result:
            tracking.finish(result)
    return result and replace(result, timings=tuple(stopwatch.timings))


def _resume(
    run: Path,
    settings: FeatureSettings | NetworkSettings,
    stopwatch: Stopwatch,
    bar: ProgressBar,
    show: "Show",
    tracking: Tracking,
) -> FinetuneResult | None:
    """`resume`, with the run locked."""
    progress = stopwatch.progress
    if settings.output:
        raise UsageError("--output has no effect with --resume, which writes to the run's own folder")
    if isinstance(settings, FeatureSettings):
        raise UsageError(f"--tune features has no effect with --resume: {run} trains the network itself")
    manifest = _require_resumable(run, settings) if is_main() else None
    with stopwatch.measure("importing torch"):
        from cnncli.training.network import publish, trainer
    if manifest:
        _prepare(run, manifest, settings, progress)
        tracking.start(run, manifest.card.tasks)
    with stopwatch.measure("training"):
        trainer.train(run if manifest else None, settings, progress, tracking.watch(show))
    return publish.publish(run, settings, None, stopwatch, bar) if manifest else None


def _require_resumable(run: Path, settings: NetworkSettings) -> RunManifest:
    """The manifest of a run, after checking that the run can be resumed.

    Raises:
        CnncliError: it cannot, or not with these settings.
    """
    manifest = load_manifest(run)
    require_data(run, settings.data)
    _require_same_classes(run, settings, manifest)
    _require_same_settings(run, settings)
    return manifest


def _prepare(run: Path, manifest: RunManifest, settings: NetworkSettings, progress: Progress) -> None:
    """Record where the data is now, and for how many epochs the run is to be trained.

    Raises:
        CnncliError: the run cannot be resumed; it stays as it is.
    """
    from cnncli.training.network import checkpoints

    manifest.read_data(run)
    has_moved = is_moved(run, settings)
    if has_moved:
        manifest = find_moved_images(run, settings, manifest, progress)
    epochs = manifest.epochs if settings.may_shorten else settings.options.epochs
    if epochs != manifest.epochs:
        finished = len(checkpoints.load(run, progress.warning).history)
        if epochs < finished:
            raise UsageError(f"{run} has finished {counted(finished, 'epoch')}, more than --epochs {epochs}")
        manifest = replace(manifest, epochs=epochs)
        save_manifest(run, manifest)
    if has_moved:
        record_move(run, settings, manifest)
    progress.notice(f"resuming {run}: {manifest.base_model}, {counted(epochs, 'epoch')}")


def _require_same_settings(run: Path, settings: NetworkSettings) -> None:
    """Check that no option that affects what has been learned so far has changed.

    Raises:
        TrainingError: one has.
    """
    # Runs of earlier versions do not record options that came later.
    defaults = training_option_values(TrainingOptions())
    before, now = {**defaults, **read_settings(run / SETTINGS).options}, defaults | option_values(settings)
    changes = {name for name in before.keys() | now.keys() if before.get(name) != now.get(name)}
    if refused := sorted(changes - CHANGEABLE - LOCATION - {"workers"}):
        names = ", ".join(f"{flag(name)} (was {before.get(name, 'not set')})" for name in refused)
        raise TrainingError(
            f"{run} was started with other settings: {names}",
            f"only {', '.join(sorted(map(flag, CHANGEABLE)))} may change; otherwise start a new run",
        )


def _require_same_classes(run: Path, settings: NetworkSettings, manifest: RunManifest) -> None:
    class_names = layout.read(settings.data, settings.columns).class_names
    if class_names != manifest.card.class_names:
        difference = sorted(set(class_names) ^ set(manifest.card.class_names)) or list(class_names)
        raise TrainingError(
            f"{settings.data} has other classes than when {run} was started, e.g. {difference[0]!r}",
            "start a new run",
        )
