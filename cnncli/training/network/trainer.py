"""A run in which the network itself learns: what it begins with, and the training.

A run begins by writing down everything that it depends on, with a checkpoint of before the first step; whoever trains
reads that. So going on after a kill is no special case, and several processes begin alike.
"""

import contextlib
import copy
import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import psutil
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import broadcast_object_list

from cnncli.data.splits import read_splits
from cnncli.engines.engine import usable_cores
from cnncli.engines.torch import require_device
from cnncli.errors import TrainingError, UsageError
from cnncli.images.decode import allow_pixels
from cnncli.networks import cache
from cnncli.records.networks import Preprocessing
from cnncli.records.progress import NullProgress, Progress
from cnncli.records.training import Amp, TrainingProgress, Tune
from cnncli.training import manifest as beginnings
from cnncli.training import run_folder
from cnncli.training.manifest import RunManifest
from cnncli.training.network import checkpoints
from cnncli.training.network.checkpoints import Checkpoint
from cnncli.training.network.initial import InitialModel, build
from cnncli.training.network.loop import Loop, Task
from cnncli.training.network.memory import keep_freed_memory
from cnncli.training.network.optimizers import create_optimizer, require_steps
from cnncli.training.network.schedule import image_size
from cnncli.training.network.stages import frozen_below, learning_mode
from cnncli.training.network.teacher import open_teacher
from cnncli.training.network.throughput import Throughput, imitates, paces
from cnncli.training.options import TrainingOptions
from cnncli.training.settings import NetworkSettings

Show = Callable[[], contextlib.AbstractContextManager[Callable[[TrainingProgress], None]]]
"""A function to call after each step, as long as somebody may want to see it."""

_FREE_SHARE = 1 / 4
"""Of the free memory, for decoded images."""


def pace(start: InitialModel, settings: NetworkSettings, progress: Progress) -> Throughput:
    """How fast the network learns here: in the faster layout and arithmetic, which is said."""
    device, levers = torch.device(_device(settings.engine_options.device)), settings.options
    _set_up_process(1)
    _deterministic(
        levers, settings.seed
    )  # before anything is computed, which is when cuBLAS makes up its mind
    how = start.card.preprocessing
    taught = learning(start, settings.tune, settings.stages)
    learning_mode(start.network, taught, keeps_statistics=_keeps_statistics(settings.tune))
    found = paces(start.network, (how.channels, *how.size), levers, device)
    start.network.requires_grad_(requires_grad=True)
    if len(found) > 1:
        progress.notice(
            f"fastest here: {found[0]}, of {len(found)} layouts and arithmetics that were measured"
        )
    return found[0]


def require_possible(start: InitialModel, settings: NetworkSettings) -> None:
    """See that a training can begin, before anything is written.

    Raises:
        UsageError: an optimiser that timm has not, stages that the network has not, arithmetic that the device has not.
    """
    levers = settings.options
    device = _device(settings.engine_options.device)
    if levers.amp is Amp.FP16 and device == "cpu":
        raise UsageError("--amp fp16 needs a GPU", "--amp bf16 works on a CPU, too")
    if levers.kd_model:
        open_teacher(levers.kd_model, start.card.class_names, NullProgress())
    learning(start, settings.tune, settings.stages)
    network = copy.deepcopy(start.network)
    optimizer = create_optimizer(network, start.head, levers, levers.lr or 1e-3)
    require_steps(optimizer, levers.opt)
    if levers.initial_scale < 1:
        _require_small_images(network, start.card.preprocessing, levers)
    start.network.requires_grad_(requires_grad=True)


def _require_small_images(network: torch.nn.Module, how: Preprocessing, levers: TrainingOptions) -> None:
    """See that a network takes the small images that it is to begin with."""
    height, width = image_size(levers, how.size, 0)
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, how.channels, height, width))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise UsageError(
            f"--initial-scale {levers.initial_scale:g} begins with images of {height} x {width} pixels, "
            f"which this network does not take",
            f"leave it out: its images have {how.size[0]} x {how.size[1]}, and not every network takes others",
        ) from error


def begin(
    run: Path,
    start: InitialModel,
    taken: Throughput,
    settings: NetworkSettings,
    beginning: RunManifest,
) -> None:
    """Write what a training goes out from; everything else of the run's folder already exists.

    Raises:
        OutputError: it cannot be written.
    """
    levers = settings.options
    (run / run_folder.CHECKPOINTS).mkdir(parents=True, exist_ok=True)
    beginnings.save(run, beginning)
    fixed = {"lr": levers.lr, "layout": str(taken.layout), "amp": str(taken.amp)}
    checkpoints.save(run, Checkpoint(network=start.network.state_dict(), fixed=fixed))


def learning(start: InitialModel, tune: Tune, stages: int) -> list[torch.nn.Module] | None:
    """The modules that learn; None where all of the network does.

    Raises:
        UsageError: the network has fewer stages.
    """
    if tune not in {Tune.HEAD, Tune.LAST}:
        return None
    return frozen_below(start.network, start.head, stages if tune is Tune.LAST else 0)


def _keeps_statistics(tune: Tune) -> bool:
    return tune is not Tune.SCRATCH


def train(run: Path | None, settings: NetworkSettings, progress: Progress, show: Show) -> Path | None:
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
        device = _device(settings.engine_options.device)
        processes = PartialState(cpu=device == "cpu")
        _set_up_process(int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
        if processes.num_processes > 1:
            told = broadcast_object_list([str(run) if run else ""])[0]
            run = Path(told) if told else None
        if run is None:
            return None
        _deterministic(settings.options, settings.seed)
        progressed = checkpoints.load(run, progress.warning)
        amp = Amp(progressed.fixed["amp"])
        accelerator = Accelerator(cpu=device == "cpu", mixed_precision="no" if amp is Amp.OFF else str(amp))
        if imitates(accelerator.device, amp):
            progress.warning("bf16 will be slow: this device only imitates it, and --amp off would be faster")
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


def _set_up_process(processes: int) -> None:
    """Give this process its share of the cores, and let it keep its memory from step to step."""
    torch.set_num_threads(max(usable_cores() // processes, 1))
    keep_freed_memory()


def _deterministic(levers: TrainingOptions, seed: int) -> None:
    torch.manual_seed(seed)
    if levers.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(levers.deterministic)


def _task(run: Path, settings: NetworkSettings, progress: Progress) -> Task:
    """What is to be learned, as the run's folder has it."""
    begun, levers = beginnings.load(run), settings.options
    card = begun.card
    levers = dataclasses.replace(levers, epochs=begun.epochs)
    data = read_splits(run, begun.root, card.class_names, begun.data_name)
    network = build(card.architecture, levers.drop_path)
    start = InitialModel(network, card)
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
        keeps_statistics=_keeps_statistics(begun.tune),
        data=data,
        preprocessing=card.preprocessing,
        levers=levers,
        class_weights=settings.class_weights,
        seed=settings.seed,
        max_pixels=settings.max_pixels,
        cache=(cache.home() / "pixels", room),
        workers=settings.workers or usable_cores(),
        teacher=open_teacher(levers.kd_model, card.class_names, progress) if levers.kd_model else None,
        to_beat=begun.features.share if begun.features and begun.may_stop_early else None,
    )


def _find_rate(
    task: Task, run: Path, progressed: Checkpoint, accelerator: Accelerator, progress: Progress
) -> None:
    """Find a learning rate, and put it into the checkpoint."""
    progress.notice("looking for a learning rate: a few steps at growing ones, then all is as before")
    trial = dataclasses.replace(progressed, fixed=progressed.fixed | {"lr": 1.0}, sums=[0.0, 0.0, 0.0])
    with contextlib.closing(Loop(task, run, trial, accelerator, progress, lambda _: None)) as loop:
        found = loop.range_test()
    if found.chosen < task.levers.min_lr:
        raise TrainingError(
            f"--lr auto takes {found.chosen:.1e}, and --min-lr is above it",
            "start again with --overwrite and a lower --min-lr",
        )
    accelerator.free_memory()  # or the trial's optimiser would be asked about gradients, too
    progressed.fixed["lr"] = found.chosen
    progress.notice(f"--lr auto takes {found.chosen:.1e}; {run / 'lr_range.png'} shows why")
    if accelerator.is_main_process:
        from cnncli.render.curves import lr_range_png

        (run / "lr_range.png").write_bytes(lr_range_png(found.rates, found.losses, found.chosen))
        checkpoints.save(run, progressed)
    accelerator.wait_for_everyone()
