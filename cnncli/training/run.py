"""What `cnncli finetune` does: which way of training, in which order, and what is kept of it."""

import dataclasses
import math
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnncli.data import layout
from cnncli.data.splits import splits_table
from cnncli.errors import TrainingError, UsageError
from cnncli.prepare import prepare, resolve_untrained
from cnncli.records.data import DataSet
from cnncli.records.progress import Progress
from cnncli.records.training import FinetuneResult, Tune
from cnncli.text import counted
from cnncli.training import run_folder
from cnncli.training.features import fit as features
from cnncli.training.features.fit import Bar, explore, finetune_features
from cnncli.training.features.replace_head import require_own_head
from cnncli.training.manifest import RunManifest, UnreadableSample
from cnncli.training.manifest import load as load_beginning
from cnncli.training.manifest import save as save_beginning
from cnncli.training.options import CHANGEABLE, flag
from cnncli.training.processes import is_main
from cnncli.training.settings import FeatureSettings, NetworkSettings, option_values, settings_document

if TYPE_CHECKING:
    from cnncli.training.network.initial import InitialModel
    from cnncli.training.network.throughput import Throughput
    from cnncli.training.network.trainer import Show

_FEWEST_EPOCHS = 3
"""That have to fit into the time for `auto` to train the network itself."""


def finetune(
    settings: FeatureSettings | NetworkSettings,
    progress: Progress,
    bar: Bar,
    show: "Show",
    *,
    is_offline: bool = False,
) -> FinetuneResult | None:
    """Teach a network the classes of labelled images.

    Args:
        settings: what is asked for.
        progress: hears what is being done, and what was left out.
        bar: moves while images are looked at.
        show: moves while the network is trained.
        is_offline: download nothing.

    Returns:
        What it came to; None in processes of torchrun's other than the first.

    Raises:
        CnncliError: the data or the network are not fit for it, or the run cannot be written.
    """
    if isinstance(settings, FeatureSettings):
        return finetune_features(settings, progress, bar, is_offline=is_offline) if is_main() else None
    from cnncli.training.network import publish, trainer

    begun = PreparedRun(None, None)
    if is_main():
        begun = _begin(settings, progress, bar, is_offline=is_offline)
    run = trainer.train(begun.run, settings, progress, show)
    if run is None or not is_main():
        return begun.features
    return publish.publish(run, settings, begun.features, progress, bar)


def resume(
    run: Path, settings: FeatureSettings | NetworkSettings, progress: Progress, bar: Bar, show: "Show"
) -> FinetuneResult | None:
    """Go on with a run that was interrupted, or that is to have another number of epochs; arguments and errors as `finetune`'s.

    Args:
        run: its folder.
        settings: those that it was begun with, limits aside, and the epochs that it is to have.
        progress: hears what is being done.
        bar: moves while images are looked at.
        show: moves while the network is trained.
    """
    if settings.output:
        raise UsageError("--output has no effect with --resume, which goes on in the run's own folder")
    begun = load_beginning(run)
    if isinstance(settings, FeatureSettings):
        raise UsageError(f"--tune features has no effect with --resume: {run} trains the network itself")
    _require_same_classes(run, settings, begun)
    from cnncli.training.network import checkpoints, publish, trainer

    _require_same_settings(run, settings)
    levers = settings.options
    if levers.epochs != begun.epochs:
        done = len(checkpoints.load(run, progress.warning).history)
        if levers.epochs < done:
            raise UsageError(
                f"{run} has {counted(done, 'epoch')} behind it already, more than --epochs {levers.epochs}"
            )
        begun = dataclasses.replace(begun, epochs=levers.epochs, may_stop_early=False)
        if is_main():
            save_beginning(run, begun)
    progress.notice(f"going on with {run}: {begun.started_from}, {counted(begun.epochs, 'epoch')}")
    trainer.train(run, settings, progress, show)
    return publish.publish(run, settings, None, progress, bar) if is_main() else None


_OF_THE_RUN = CHANGEABLE | {"workers"}


def _require_same_settings(run: Path, settings: NetworkSettings) -> None:
    """See that no option differs that would change what has been learned so far.

    Raises:
        TrainingError: one does.
    """
    file = run / run_folder.SETTINGS
    try:
        former = tomllib.loads(file.read_text(encoding="utf-8", errors="surrogateescape"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{file} cannot be read: {error}", "start a new run") from error
    former.pop("made", None)
    now = option_values(settings)
    changed = {name for name in former.keys() | now.keys() if former.get(name) != now.get(name)}
    if refused := sorted(changed - _OF_THE_RUN):
        told = ", ".join(f"{flag(name)} (was {former.get(name, 'not given')})" for name in refused)
        raise TrainingError(
            f"{run} was begun with other settings: {told}",
            f"{', '.join(sorted(map(flag, CHANGEABLE)))} may change; else start a new run",
        )


def _require_same_classes(run: Path, settings: NetworkSettings, begun: RunManifest) -> None:
    found = layout.read(settings.data, settings.columns).class_names
    if found != begun.card.class_names:
        other = sorted(set(found) ^ set(begun.card.class_names)) or list(found)
        raise TrainingError(
            f"{settings.data} has other classes now than when {run} was begun, as {other[0]!r}",
            "start a new run",
        )


@dataclasses.dataclass(frozen=True, slots=True)
class PreparedRun:
    """What there is before training.

    Attributes:
        run: the folder; None where nothing more is to be trained.
        features: what a classifier on features came to, where one was fitted.
    """

    run: Path | None
    features: FinetuneResult | None


def _begin(settings: NetworkSettings, progress: Progress, bar: Bar, *, is_offline: bool) -> PreparedRun:
    """Everything up to the first step of training."""
    if settings.tune in {Tune.HEAD, Tune.SCRATCH}:
        return _begin_without_features(settings, progress, is_offline=is_offline)
    from cnncli.training.network import trainer
    from cnncli.training.network.initial import from_weights

    started = time.perf_counter()
    explored = explore(settings, progress, bar, is_offline=is_offline)
    data, folder = explored.found.data, explored.folder
    head, trial = explored.learned.linear or (None, None)
    share = trial.val.share if trial else None
    found, path = None, None
    if settings.tune is Tune.AUTO:
        found = features.write(explored, settings)
        path = Path(found.folder)
        progress.notice(
            f"a classifier on its features: {100 * found.val.share:.1f} % on val, in {path}, which can be used already"
        )
    elif share is not None:
        progress.notice(f"its last layer begins as a classifier on its features: {100 * share:.1f} % on val")
    levers = settings.options
    start = from_weights(folder, head, data.class_names, levers.drop_path)
    trainer.require_trainable(start, settings)
    taken = trainer.fastest_throughput(start, settings, progress)
    if found:
        epochs, why = _in_time(settings, taken, data)
        progress.notice(why)
        if not epochs:
            return PreparedRun(None, dataclasses.replace(found, why=f"{found.why}; {why}"))
        settings = dataclasses.replace(settings, options=dataclasses.replace(levers, epochs=epochs))
    digest = features.digest(explored.found)
    facts = settings_document(settings, folder.card.name, folder.card.weights_origin, digest)
    if path is None:
        path = _new_run(explored.target, data, facts)
    else:
        run_folder.write(path, [], facts, {})
        settings = dataclasses.replace(settings, tune=Tune.FULL)
    begun = _beginning(settings, start, data, folder.card.name, found, started)
    begun = dataclasses.replace(begun, head_share=share, left_out=_left_out(explored.found))
    trainer.write_start(path, start, taken, settings, begun)
    return PreparedRun(path, found)


def _left_out(found: features.EmbeddedData) -> tuple[UnreadableSample, ...]:
    """The images of which there are no embeddings."""
    samples = {sample.path: sample for sample in found.listed.samples}
    return tuple(
        UnreadableSample(found.listed.relative(path), samples[path].label, samples[path].split, record.reason)
        for record in found.unreadable
        if (path := record.path)
    )


def _in_time(settings: NetworkSettings, taken: "Throughput", data: DataSet) -> tuple[int, str]:
    """How many epochs of training all of the network fit into the time, 0 if too few do; and that in words."""
    levers = settings.options
    images = sum(sample.split == "train" for sample in data.samples)
    held = sum(sample.split == "val" for sample in data.samples)
    epoch = (images + held / 3) / taken.images_per_second / 60  # a forward pass is a third of a step
    fitting = levers.epochs if not levers.time_budget else math.floor(levers.time_budget / epoch)
    fewest = min(_FEWEST_EPOCHS, levers.epochs)
    if fitting < fewest:
        return 0, (
            f"training all of it would take {_told(fewest * epoch)} for {counted(fewest, 'epoch')}, more than "
            f"--time-budget {levers.time_budget:g}: the classifier on features stays"
        )
    epochs = min(fitting, levers.epochs)
    return epochs, f"training all of it: up to {counted(epochs, 'epoch')} in about {_told(epochs * epoch)}"


def _told(minutes: float) -> str:
    return f"{minutes:,.0f} min" if minutes >= 1.5 else f"{max(60 * minutes, 1):,.0f} s"  # noqa: PLR2004


def _begin_without_features(
    settings: NetworkSettings, progress: Progress, *, is_offline: bool
) -> PreparedRun:
    """`head` and `scratch`, for which nothing needs to be known of the images beforehand."""
    started = time.perf_counter()
    data = features.read(settings, progress)
    target = run_folder.choose_run_folder(settings.output, data.name, overwrite=settings.overwrite)
    from cnncli.training.network import trainer
    from cnncli.training.network.initial import from_scratch, from_weights

    levers = settings.options
    if settings.tune is Tune.SCRATCH:
        found = resolve_untrained(settings.reference, progress, is_offline=is_offline)
        progress.notice(f"starting from {found.name} with random weights")
        start, origin = from_scratch(found, data.class_names, settings.seed, levers.drop_path), "random"
    else:
        progress.notice(f"starting from {settings.reference.name}, whose last layer is trained anew")
        folder = prepare(settings.reference, progress, is_offline=is_offline)
        require_own_head(folder)
        start, origin = (
            from_weights(folder, None, data.class_names, levers.drop_path),
            folder.card.weights_origin,
        )
    trainer.require_trainable(start, settings)
    features.say_what_there_is(data, progress)
    taken = trainer.fastest_throughput(start, settings, progress)
    name = start.card.name if settings.tune is Tune.SCRATCH else folder.card.name
    run = _new_run(target, data, settings_document(settings, name, origin, None))
    trainer.write_start(run, start, taken, settings, _beginning(settings, start, data, name, None, started))
    return PreparedRun(run, None)


def _new_run(target: run_folder.Target, data: DataSet, facts: Mapping[str, Any]) -> Path:
    """The folder of a run that is to be trained, with its settings and its splits."""
    with run_folder.writing(target) as draft:
        run_folder.write(draft, [splits_table(data)], facts, {})
        (draft / run_folder.CHECKPOINTS).mkdir()
        return run_folder.settle(draft, target)


def _beginning(
    settings: NetworkSettings,
    start: "InitialModel",
    data: DataSet,
    name: str,
    found: FinetuneResult | None,
    started: float,
) -> RunManifest:
    return RunManifest(
        card=start.card,
        tune=settings.tune,
        stages=settings.stages,
        epochs=settings.options.epochs,
        data_name=data.name,
        root=str(Path(data.root).resolve()),
        started_from=name,
        features=found.val if found else None,
        features_loss=found.val_loss if found else None,
        remarks=data.remarks,
        seconds=time.perf_counter() - started,
    )
