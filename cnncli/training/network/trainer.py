"""A run that trains the network itself, from its first checkpoint to its last epoch.

A run starts by writing down everything that it depends on, and a checkpoint before the first step; training then reads these
files. So resuming is no special case, and several processes start from the same files.
"""

import contextlib
import copy
import dataclasses
import os
import platform
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import broadcast_object_list

from cnncli.dataclass import frozen_dataclass
from cnncli.engines.cores import usable_cores
from cnncli.errors import DataError, TrainingError, UsageError
from cnncli.images.threads import reading_threads
from cnncli.networks import cache
from cnncli.records.data import DataSet
from cnncli.records.progress import NullProgress, Progress
from cnncli.records.training import Amp, TrainingProgress, Tune
from cnncli.text import is_url
from cnncli.training import run_folder
from cnncli.training.manifest import RunManifest, load_manifest, save_manifest
from cnncli.training.network import checkpoints
from cnncli.training.network.batch_norm import require_batch
from cnncli.training.network.checkpoints import Checkpoint, RunConstants
from cnncli.training.network.initial import InitialModel, build
from cnncli.training.network.loop import Loop
from cnncli.training.network.lr_finder import RangeTest, find_learning_rate
from cnncli.training.network.machine import create_accelerator, device_name, set_deterministic, set_up_process
from cnncli.training.network.optimizers import create_optimizer, require_plain_gradients
from cnncli.training.network.processes import report_lost_process
from cnncli.training.network.remembered_layout import memory_file, recall, remember
from cnncli.training.network.schedule import image_size
from cnncli.training.network.setup import TrainingSetup
from cnncli.training.network.stages import freeze_below, set_training_mode, upper_half
from cnncli.training.network.supervision import supervise
from cnncli.training.network.teacher import open_teacher
from cnncli.training.network.throughput import Throughput, candidates, default_choice, measure_throughput
from cnncli.training.optional_output import write_optional
from cnncli.training.options import TrainingOptions
from cnncli.training.settings import NetworkSettings

Show = Callable[[], contextlib.AbstractContextManager[Callable[[TrainingProgress], None]]]
"""Opens a display of progress: a function to call after each step."""

_CACHE_SHARE = 1 / 4
"""Share of the free memory for decoded images."""

_TRIAL_RATE = 1e-3
"""Learning rate with which an optimiser is tried if none is known yet."""


# ---- before a run


def fastest_throughput(
    initial: InitialModel, settings: NetworkSettings, images: int | None, progress: Progress
) -> Throughput:
    """The fastest memory layout and precision for training a network on this machine.

    Args:
        initial: the network.
        settings: the run's settings.
        images: training images of all epochs, of which a few are not worth measuring for; None if the speed has to be known.
        progress: reports the choice.

    Raises:
        TrainingError: batches of a single image do not suffice.
    """
    device, options = torch.device(device_name(settings.engine_options.device)), settings.options
    set_up_process(1)
    set_deterministic(options, settings.seed)  # before any computation: cuBLAS reads its setting only once
    preprocessing = initial.card.preprocessing
    trainable = freeze(initial, settings.tune, settings.stages)
    set_training_mode(initial.network, trainable, freezes_statistics=_freezes_statistics(settings.tune))
    shape = (preprocessing.channels, *preprocessing.size)
    require_batch(initial.network, shape, options.batch_size)
    memory = memory_file(initial.network, shape, options, device)
    remembered = recall(memory, options)
    choices = candidates(remembered, device)
    choice = None if images is None else default_choice(choices, images)
    measurements = (
        [choice]
        if choice
        else measure_throughput(initial.network, shape, options.batch_size, choices, device)
    )
    initial.network.requires_grad_(requires_grad=True)
    if len(measurements) > 1:
        remember(memory, measurements[0])
        progress.notice(
            f"fastest here: {measurements[0]}, of {len(measurements)} memory layout and precision combinations"
        )
    elif remembered != options:
        progress.notice(f"fastest here, as measured before: {measurements[0].combination}")
    return measurements[0]


def require_trainable(initial: InitialModel, settings: NetworkSettings) -> None:
    """Check that training can start, before anything is written.

    Raises:
        UsageError: the optimiser, the stages, the precision or the teacher cannot be used.
    """
    options = settings.options
    device = device_name(settings.engine_options.device)
    if options.amp is Amp.FP16 and device == "cpu":
        raise UsageError("--amp fp16 needs a GPU", "--amp bf16 works on a CPU, too")
    if options.kd_model:
        open_teacher(options.kd_model, initial.card, NullProgress())
    freeze(initial, settings.tune, settings.stages)
    network = copy.deepcopy(initial.network)
    optimizer = create_optimizer(network, initial.head, options, options.lr or _TRIAL_RATE)
    require_plain_gradients(optimizer, options.opt)
    if options.initial_scale < 1:
        _require_small_images(initial, options)
    initial.network.requires_grad_(requires_grad=True)


def _require_small_images(initial: InitialModel, options: TrainingOptions) -> None:
    """Check that a network accepts the images of the first epoch, which `--initial-scale` makes smaller."""
    preprocessing = initial.card.preprocessing
    height, width = image_size(options, preprocessing.size, 0)
    try:
        with torch.no_grad():
            copy.deepcopy(initial.network).eval()(torch.zeros(1, preprocessing.channels, height, width))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise UsageError(
            f"--initial-scale {options.initial_scale:g} starts with images of {height} x {width} pixels, "
            f"which this network does not accept",
            "leave it out: not every network accepts images of another size than {} x {}".format(
                *preprocessing.size
            ),
        ) from error


def write_start(
    run: Path,
    initial: InitialModel,
    throughput: Throughput,
    settings: NetworkSettings,
    manifest: RunManifest,
) -> None:
    """Write the manifest and the first checkpoint; the rest of the run's folder already exists.

    Raises:
        OutputError: they cannot be written.
    """
    options = settings.options
    (run / run_folder.CHECKPOINTS).mkdir(parents=True, exist_ok=True)
    save_manifest(run, manifest)
    constants = RunConstants(options.lr, throughput.layout, throughput.amp)
    checkpoints.save(run, Checkpoint(network=initial.network.state_dict(), constants=constants))


def without_lower_stages(initial: InitialModel, settings: NetworkSettings) -> NetworkSettings:
    """The settings for what `auto` trains after the classifier on features: the upper half of the stages.

    Lower stages see edges, textures and colours, which images of all kinds have, so they are left as they are (compared with training
    all of them in `benchmarks/finetune_schedule.py`).
    """
    count = upper_half(initial.network, initial.head)
    return replace(settings, tune=Tune.LAST if count else Tune.FULL, stages=count)


def freeze(initial: InitialModel, tune: Tune, count: int) -> list[torch.nn.Module] | None:
    """Freeze what `tune` does not train; returns the modules that stay trainable, None for the whole network.

    Raises:
        UsageError: the network has fewer stages.
    """
    if tune not in {Tune.HEAD, Tune.LAST}:
        return None
    return freeze_below(initial.network, initial.head, count if tune is Tune.LAST else 0)


def _freezes_statistics(tune: Tune) -> bool:
    return tune is not Tune.SCRATCH


# ---- the run


@frozen_dataclass
class _RunStart:
    """What training starts from. The first process reads it, and sends it to the others, which may not see its disk.

    Attributes:
        run: the run's folder.
        manifest: what the run started from.
        data: the images.
        checkpoint: the newest one.
    """

    run: Path
    manifest: RunManifest
    data: DataSet
    checkpoint: Checkpoint

    @classmethod
    def read(cls, run: Path, progress: Progress) -> "_RunStart":
        """What is in the run's folder.

        Raises:
            CnncliError: it is damaged.
        """
        manifest = load_manifest(run)
        data = manifest.read_data(run)
        return cls(run, manifest, data, checkpoints.load(run, progress.warning))

    def require_data(self) -> None:
        """Check that this machine has the data, too.

        Raises:
            DataError: it does not.
        """
        root = self.manifest.root
        if root and not is_url(root) and not Path(root).exists():
            raise DataError(
                f"{platform.node()} has no {root}", "every machine needs the data under the same path or URL"
            )


def train(run: Path | None, settings: NetworkSettings, progress: Progress, show: Show) -> Path | None:
    """Train to the last epoch, from the run's newest checkpoint.

    Args:
        run: its folder; None in all processes but the first, or if there is nothing to train.
        settings: the run's settings.
        progress: reports each epoch.
        show: opens the display of progress.

    Returns:
        The run's folder; None where there is nothing to train.

    Raises:
        CnncliError: as for `Loop.run`.
    """
    try:
        device = device_name(settings.engine_options.device)
        processes = PartialState(cpu=device == "cpu")
        set_up_process(int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
        start = _RunStart.read(run, progress) if run else None
        if processes.num_processes > 1:
            start = broadcast_object_list([start])[0]
        if start is None:
            return None
        start.require_data()
        set_deterministic(settings.options, settings.seed)
        run, checkpoint = start.run, start.checkpoint
        accelerator = create_accelerator(device, checkpoint.constants.amp, progress)
        setup = _build_setup(start, settings, progress)
        if checkpoint.constants.lr is None:
            _find_learning_rate(setup, run, checkpoint, accelerator, progress)
        with (
            show() as report,
            report_lost_process(run),
            contextlib.closing(Loop(setup, run, checkpoint, accelerator, progress)) as loop,
        ):
            loop.run(report)
        accelerator.wait_for_everyone()
        accelerator.end_training()
        return run
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)  # noqa: SLF001 - or a second training finds the first one's


def _build_setup(start: _RunStart, settings: NetworkSettings, progress: Progress) -> TrainingSetup:
    """The setup as the run's folder describes it."""
    manifest, data, options = start.manifest, start.data, settings.options
    card = manifest.card
    options = dataclasses.replace(options, epochs=manifest.epochs)
    initial = InitialModel(build(card.architecture, options.drop_path), card)
    if manifest.tune is not Tune.SCRATCH:
        initial.drop_auxiliary()
    if options.drop:
        initial.add_dropout(options.drop)
    cache_size = options.cache_size
    if cache_size is None:
        cache_size = round(psutil.virtual_memory().available * _CACHE_SHARE)
    return TrainingSetup(
        network=initial.network,
        head=initial.head,
        trainable=freeze(initial, manifest.tune, manifest.stages),
        freezes_statistics=_freezes_statistics(manifest.tune),
        data=data,
        preprocessing=card.preprocessing,
        options=options,
        supervision=supervise(data, settings),
        seed=settings.seed,
        max_pixels=settings.max_pixels,
        cache=(cache.home() / "pixels", cache_size),
        workers=reading_threads(
            (sample.source for sample in data.samples), settings.workers or usable_cores()
        ),
        teacher=open_teacher(options.kd_model, card, progress) if options.kd_model else None,
    )


def _find_learning_rate(
    setup: TrainingSetup, run: Path, checkpoint: Checkpoint, accelerator: Accelerator, progress: Progress
) -> None:
    """Find a learning rate by a range test, and put it into the checkpoint."""
    progress.notice("looking for a learning rate: up to 80 steps at increasing rates, which are then undone")
    constants = dataclasses.replace(checkpoint.constants, lr=1.0)
    trial = dataclasses.replace(checkpoint, constants=constants, sums=[0.0, 0.0, 0.0])
    with (
        progress.activity("finding a learning rate"),
        contextlib.closing(Loop(setup, run, trial, accelerator, progress)) as loop,
    ):
        test = find_learning_rate(loop)
    if test.lr < setup.options.min_lr:
        raise TrainingError(
            f"--lr auto found {test.lr:.1e}, which is below --min-lr",
            "start again with --overwrite and a lower --min-lr",
        )
    accelerator.free_memory()  # otherwise the trial's optimiser would take part in the checks of gradients
    checkpoint.constants = dataclasses.replace(checkpoint.constants, lr=test.lr)
    progress.notice(f"--lr auto found {test.lr:.1e}: see {run / 'lr_range.png'}")
    if accelerator.is_main_process:
        _draw_range_test(test, run, progress)
        checkpoints.save(run, checkpoint)
    accelerator.wait_for_everyone()


def _draw_range_test(test: RangeTest, run: Path, progress: Progress) -> None:
    def content() -> bytes:
        from cnncli.render.curves import lr_range_png

        return lr_range_png(test.rates, test.losses, test.lr)

    write_optional(run / "lr_range.png", content, progress)
