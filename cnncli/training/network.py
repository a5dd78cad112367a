"""A run in which the network itself learns: what it begins with, the training, what is written at its end.

A run begins by writing down everything that it depends on, with a checkpoint of before the first step; whoever trains
reads that. So going on after a kill is no special case, and several processes begin alike.
"""

import contextlib
import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import broadcast_object_list

from cnncli.engines.engine import usable_cores
from cnncli.engines.torch import require_device
from cnncli.errors import CompileError, TrainingError, UsageError
from cnncli.evaluation.metrics import accuracy, confusion, cross_entropy
from cnncli.images.decode import allow_pixels
from cnncli.networks import cache, model_folder, weights, zoo
from cnncli.networks.reference import Reference
from cnncli.prepare import prepare
from cnncli.prepare import write as write_network
from cnncli.records.data import DataSet, Part
from cnncli.records.evaluation import Accuracy
from cnncli.records.networks import Metric, PackageVersion
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import Once, Progress, Silence
from cnncli.records.training import Amp, FinetuneResult, Moment, Step, Tune
from cnncli.training import beginning as beginnings
from cnncli.training import checkpoints, judging, run_folder
from cnncli.training import tables as tables_of
from cnncli.training.beginning import Beginning
from cnncli.training.checkpoints import Progressed
from cnncli.training.features import Bar
from cnncli.training.levers import Levers
from cnncli.training.loop import Loop, Task, Teacher, create_optimizer
from cnncli.training.settings import FinetuneSettings, versions
from cnncli.training.stages import frozen_below
from cnncli.training.start import Start, build
from cnncli.training.trials import Pace, paces

Show = Callable[[], contextlib.AbstractContextManager[Callable[[Moment], None]]]
"""A function to call after each step, as long as somebody may want to see it."""

_FREE_SHARE = 1 / 4
"""Of the free memory, for decoded images."""


def is_main() -> bool:
    """Whether this process is the one that writes and speaks; torchrun numbers the processes that it starts."""
    return int(os.environ.get("RANK", "0")) == 0


def require_levers(settings: FinetuneSettings) -> Levers:
    """The levers, which everything but `features` has."""
    assert settings.levers is not None  # noqa: S101 - `levers.chosen` is asked for each such way
    return settings.levers


def pace(start: Start, settings: FinetuneSettings, progress: Progress) -> Pace:
    """How fast the network learns here: in the faster layout and arithmetic, which is said."""
    device = torch.device(_device(settings.running.device))
    _set_threads(1)
    how = start.card.preprocessing
    found = paces(start.network, (how.channels, *how.size), require_levers(settings), device)
    if len(found) > 1:
        progress.notice(
            f"fastest here: {found[0]}, of {len(found)} layouts and arithmetics that were measured"
        )
    return found[0]


def require_possible(start: Start, settings: FinetuneSettings) -> None:
    """See that a training can begin, before anything is written.

    Raises:
        UsageError: an optimiser that timm has not, stages that the network has not, arithmetic that the device has not.
    """
    levers = require_levers(settings)
    device = _device(settings.running.device)
    if levers.amp is Amp.FP16 and device == "cpu":
        raise UsageError("--amp fp16 needs a GPU", "--amp bf16 works on a CPU, too")
    if levers.kd_model:
        _teacher(levers.kd_model, start.card.class_names, Silence())
    learning(start, settings.tune, settings.stages)
    create_optimizer(start.network, start.head, levers, levers.lr or 1e-3)
    start.network.requires_grad_(requires_grad=True)


def begin(
    run: Path,
    start: Start,
    taken: Pace,
    settings: FinetuneSettings,
    beginning: Beginning,
) -> None:
    """Write what a training goes out from; everything else of the run's folder is there already.

    Raises:
        OutputError: it cannot be written.
    """
    levers = require_levers(settings)
    (run / run_folder.CHECKPOINTS).mkdir(parents=True, exist_ok=True)
    beginnings.save(run, beginning)
    fixed = {"lr": levers.lr, "layout": str(taken.layout), "amp": str(taken.amp)}
    checkpoints.save(run, Progressed(network=start.network.state_dict(), fixed=fixed))


def learning(start: Start, tune: Tune, stages: int) -> list[torch.nn.Module] | None:
    """The modules that learn; None where all of the network does.

    Raises:
        UsageError: the network has fewer stages.
    """
    if tune not in {Tune.HEAD, Tune.LAST}:
        return None
    return frozen_below(start.network, start.head, stages if tune is Tune.LAST else 0)


def train(run: Path | None, settings: FinetuneSettings, progress: Progress, show: Show) -> Path | None:
    """Train to the end, from wherever the run's newest checkpoint is.

    Args:
        run: its folder; None in processes that have not begun it, and in the first one where nothing is to be trained.
        settings: those that it was begun with.
        progress: hears of each epoch.
        show: is called after each step.

    Returns:
        The run's folder; None where nothing is to be trained.

    Raises:
        CnncliError: as `Loop.run`.
    """
    try:
        device = _device(settings.running.device)
        processes = PartialState(cpu=device == "cpu")
        _set_threads(int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
        if processes.num_processes > 1:
            told = broadcast_object_list([str(run) if run else ""])[0]
            run = Path(told) if told else None
        if run is None:
            return None
        _deterministic(require_levers(settings), settings.seed)
        progressed = checkpoints.load(run, progress.warning)
        amp = Amp(progressed.fixed["amp"])
        accelerator = Accelerator(cpu=device == "cpu", mixed_precision="no" if amp is Amp.OFF else str(amp))
        task = _task(run, settings, progress)
        if progressed.fixed["lr"] is None:
            _find_rate(task, run, progressed, accelerator, progress)
        with (
            show() as shown,
            contextlib.closing(Loop(task, run, progressed, accelerator, progress, shown)) as loop,
        ):
            loop.run()
        accelerator.wait_for_everyone()
        accelerator.end_training()
        return run
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)  # noqa: SLF001 - or a second training finds the first one's


def _device(name: str) -> str:
    """The device that training takes; `auto` takes CUDA where there is one."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    require_device(name)
    if ":" in name or name == "mps":
        os.environ["ACCELERATE_TORCH_DEVICE"] = name
    return name


def _set_threads(processes: int) -> None:
    torch.set_num_threads(max(usable_cores() // processes, 1))


def _deterministic(levers: Levers, seed: int) -> None:
    torch.manual_seed(seed)
    if levers.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(levers.deterministic)


def _task(run: Path, settings: FinetuneSettings, progress: Progress) -> Task:
    """What is to be learned, as the run's folder has it."""
    begun, levers = beginnings.load(run), require_levers(settings)
    card = begun.card
    levers = dataclasses.replace(levers, epochs=begun.epochs)
    data = run_folder.read_splits(run, begun.root, card.class_names, begun.data_name)
    network = build(card.architecture, levers.drop_path)
    start = Start(network, card)
    if begun.tune is not Tune.SCRATCH:
        start.drop_auxiliary()
    if levers.drop:
        start.add_dropout(levers.drop)
    allow_pixels(settings.max_pixels)
    room = levers.cache_size
    if room is None:
        room = round(psutil.virtual_memory().available * _FREE_SHARE)
    return Task(
        network=network,
        head=start.head,
        learning=learning(start, begun.tune, begun.stages),
        data=data,
        preprocessing=card.preprocessing,
        levers=levers,
        class_weights=settings.class_weights,
        seed=settings.seed,
        max_pixels=settings.max_pixels,
        cache=(cache.home() / "pixels", room),
        workers=settings.workers or usable_cores(),
        teacher=_teacher(levers.kd_model, card.class_names, progress) if levers.kd_model else None,
    )


def _teacher(name: Path, class_names: tuple[str, ...], progress: Progress) -> Teacher:
    """The network to learn from, its classes found by name, or by their WordNet identifiers.

    Raises:
        UsageError: it does not know a class.
    """
    folder = prepare(Reference(str(name)), progress)
    known = {label: index for index, label in enumerate(folder.card.class_names)}
    known = {label: index for index, label in enumerate(folder.card.synsets or ())} | known
    if missing := [label for label in class_names if label not in known]:
        raise UsageError(
            f"--kd-model {name} does not know {len(missing):,} of the classes, as {missing[0]!r}",
            "a teacher has to know all classes of the data by name",
        )
    network = zoo.build(folder.card.architecture)
    weights.load_saved(network, folder.weights)
    network.requires_grad_(requires_grad=False)
    return Teacher(network, folder, tuple(known[label] for label in class_names))


def _find_rate(
    task: Task, run: Path, progressed: Progressed, accelerator: Accelerator, progress: Progress
) -> None:
    """Find a learning rate, and put it into the checkpoint."""
    progress.notice("looking for a learning rate: a few steps at growing ones, then all is as before")
    trial = dataclasses.replace(progressed, fixed=progressed.fixed | {"lr": 1.0}, sums=[0.0, 0.0, 0.0])
    with contextlib.closing(Loop(task, run, trial, accelerator, progress, lambda _: None)) as loop:
        found = loop.range_test()
    progressed.fixed["lr"] = found.chosen
    progress.notice(f"--lr auto takes {found.chosen:.1e}; {run / 'lr_range.png'} shows why")
    if accelerator.is_main_process:
        from cnncli.render.curves import lr_range_png

        (run / "lr_range.png").write_bytes(lr_range_png(found.rates, found.losses, found.chosen))
        checkpoints.save(run, progressed)
    accelerator.wait_for_everyone()


# ---- the end


def finish(
    run: Path, settings: FinetuneSettings, features: FinetuneResult | None, progress: Progress, bar: Bar
) -> FinetuneResult:
    """Write the best network of a training as a model folder, with what it says of the validation and test parts.

    Args:
        run: the run's folder, training done.
        settings: of the run.
        features: what a classifier on features came to in this process, if one was fitted.
        progress: hears what is done.
        bar: moves while images are looked at.

    Raises:
        CnncliError: it cannot be read or written.
    """
    begun = beginnings.load(run)
    progressed = checkpoints.load(run, progress.warning)
    best = progressed.best
    if best is None:
        raise TrainingError(f"{run} has not come to the end of an epoch", f"cnncli finetune --resume {run}")
    data = run_folder.read_splits(run, begun.root, begun.card.class_names, begun.data_name)
    clock = _Seconds(begun, progressed, features)
    from cnncli.render.curves import curves_png

    (run / "curves.png").write_bytes(
        curves_png(progressed.history, begun.features.share if begun.features else None)
    )
    if begun.features and best.val_top1 <= begun.features.share:
        checkpoints.tidy(run)
        return dataclasses.replace(
            features or _of_features(run, begun, data),
            epochs=tuple(progressed.history),
            why=f"training all of it reached {_percent(best.val_top1)} on val, no more than "
            f"the classifier on features ({_percent(begun.features.share)}), which stays",
            steps=clock.steps(),
        )
    network = build(begun.card.architecture)
    tensors = checkpoints.load_best(run)
    if begun.tune is not Tune.SCRATCH:
        Start(network, begun.card).drop_auxiliary()
    weights.load_into(network, tensors, str(run / run_folder.CHECKPOINTS))
    progress.notice(f"writing the network as it was after epoch {best.number}, the best on val")
    with run_folder.finishing(run) as draft:
        card = dataclasses.replace(
            begun.card,
            name=run.name,
            weights_origin=_origin(begun, progressed),
            versions=tuple(PackageVersion(*item) for item in versions().items()),
        )
        try:
            folder = write_network(draft, network.eval(), card)
        except CompileError as error:
            raise TrainingError(f"the trained network cannot be written: {error.message}") from error
        result = _judged(folder, begun, progressed, data, settings, progress, bar)
        run_folder.finish(draft, run)
    checkpoints.tidy(run)
    return dataclasses.replace(result, folder=str(run), steps=clock.steps())


def _of_features(run: Path, begun: Beginning, data: DataSet) -> FinetuneResult:
    """What another process found with features before it was interrupted; its classifiers are in the run's table."""
    assert begun.features is not None  # noqa: S101 - the caller has seen to it
    assert begun.features_loss is not None  # noqa: S101 - likewise
    train, val, test = (len(data.part(part)) for part in Part)
    return FinetuneResult(
        folder=str(run),
        model=begun.started_from,
        tune=Tune.FEATURES,
        class_names=data.class_names,
        images=(train, val, test),
        trials=(),
        chosen=None,
        epochs=(),
        best_epoch=None,
        why="",
        train=None,
        val=begun.features,
        val_loss=begun.features_loss,
        test=None,
        test_loss=None,
        steps=(),
        unreadable=(),
        remarks=begun.remarks,
    )


@dataclass(frozen=True, slots=True)
class _Seconds:
    """Where the time went, as far as the run's folder knows."""

    begun: Beginning
    progressed: Progressed
    features: FinetuneResult | None

    def steps(self) -> tuple[Step, ...]:
        """What came before training, and training."""
        before = self.features.steps if self.features else (Step("preparing", self.begun.seconds),)
        return (*before, Step(f"training, {len(self.progressed.history)} epochs", self.progressed.seconds))


def _origin(begun: Beginning, progressed: Progressed) -> str:
    start = "random weights" if begun.tune is Tune.SCRATCH else begun.started_from
    what = {
        Tune.HEAD: "a new last layer",
        Tune.LAST: f"its last {begun.stages} stages",
        Tune.FULL: "all of it",
    }
    learned = what.get(begun.tune, "all of it")
    return f"{start}, {learned} trained on {begun.data_name} for {len(progressed.history)} epochs"


def _judged(
    folder: model_folder.ModelFolder,
    begun: Beginning,
    progressed: Progressed,
    data: DataSet,
    settings: FinetuneSettings,
    progress: Progress,
    bar: Bar,
) -> FinetuneResult:
    """Tables and figures of the finished network, written beside it."""
    parts = {part: data.part(part) for part in (Part.VAL, Part.TEST)}
    progress = Once(progress)
    with bar(sum(map(len, parts.values()))) as advance:
        val, test = (
            judging.judge(folder, samples, settings.max_pixels, settings.workers, progress, advance)
            for samples in parts.values()
        )
    unreadable = _unreadable(data, progressed, val, test)
    found = accuracy(val.logits.argmax(axis=1), val.labels)
    tested = accuracy(test.logits.argmax(axis=1), test.labels) if test.samples else None
    answers = [
        answer for part in (val, test) for answer in tables_of.answers(part.samples, part.probabilities, data)
    ]
    counts = confusion(val.logits.argmax(axis=1), val.labels, len(data.class_names))
    from cnncli.render.confusion import confusion_png

    run_folder.write(
        folder.path,
        [tables_of.predictions(answers), *tables_of.unreadable(unreadable, data)],
        None,
        {"confusion_matrix.png": confusion_png(counts, data.class_names)},
    )
    metrics = {"val_top1": found} | ({"test_top1": tested} if tested else {})
    model_folder.seal(folder.path, dataclasses.replace(folder.card, metrics=_metrics(metrics)))
    best = progressed.best
    assert best is not None  # noqa: S101 - `finish` has seen to it
    missing = {record.source.path for record in unreadable}
    return FinetuneResult(
        folder=str(folder.path),
        model=begun.started_from,
        tune=begun.tune,
        class_names=data.class_names,
        images=(
            sum(sample.path not in missing for sample in data.part(Part.TRAIN)),
            len(val.samples),
            len(test.samples),
        ),
        trials=(),
        chosen=None,
        epochs=tuple(progressed.history),
        best_epoch=best.number,
        why=_why(begun, progressed),
        train=None,
        val=found,
        val_loss=cross_entropy(val.logits, val.labels),
        test=tested,
        test_loss=cross_entropy(test.logits, test.labels) if tested else None,
        steps=(),
        unreadable=tuple(record.source.path for record in unreadable),
        remarks=begun.remarks,
    )


def _why(begun: Beginning, progressed: Progressed) -> str:
    best, done = progressed.best, len(progressed.history)
    assert best is not None  # noqa: S101 - `finish` has seen to it
    told = f"epoch {best.number} of {done} was the best on val"
    if begun.features is None:
        return told
    return f"{told}: {_percent(best.val_top1)}, where the classifier on features has {_percent(begun.features.share)}"


def _unreadable(data: DataSet, progressed: Progressed, *judged: judging.Judged) -> list[Unreadable]:
    """What could not be read, while training or at the end, each once."""
    from cnncli.records.predictions import ImageSource

    known = {path: Unreadable(ImageSource(path), reason) for path, reason in progressed.unreadable.items()}
    known |= {record.source.path: record for part in judged for record in part.unreadable}
    return [known[sample.path] for sample in data.samples if sample.path in known]


def _metrics(measured: dict[str, Accuracy]) -> tuple[Metric, ...]:
    return tuple(
        Metric(name, found.share, found.low, found.high, found.images) for name, found in measured.items()
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
