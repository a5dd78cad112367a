"""Steps that both ways of fine-tuning share: reading the data, describing it, timing."""

import contextlib
import time
from collections.abc import Iterator, Sequence

from cnncli.data import layout
from cnncli.data.stratified import split_stratified
from cnncli.networks.prepared import accuracy_hint
from cnncli.records.data import DataSet, Split
from cnncli.records.progress import Progress
from cnncli.records.training import Timing, Tune
from cnncli.text import counted
from cnncli.training.run_folder import Target, choose_run_folder
from cnncli.training.settings import VAL_SPLIT, FinetuneSettings


class Stopwatch:
    """Reports each step of a command, and keeps the seconds that it took."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.timings: list[Timing] = []

    @contextlib.contextmanager
    def measure(self, step: str) -> Iterator[None]:
        """Report and time the block under the name of a step."""
        start = time.perf_counter()
        with self.progress.activity(step):
            yield
        self.timings.append(Timing(step, time.perf_counter() - start))


def read_data(settings: FinetuneSettings, progress: Progress) -> DataSet:
    """The data set, each image in a split; warns about whatever is left out.

    Raises:
        DataError: it cannot be trained on.
    """
    data = layout.read(settings.data, settings.columns)
    for remark in data.remarks:
        progress.warning(remark)
    if settings.val_split != VAL_SPLIT and data.split(Split.VAL):
        progress.warning(f"--val-split has no effect: {settings.data} has a validation split")
    return split_stratified(data, settings.val_split, settings.seed)


def find_images(
    settings: FinetuneSettings, stopwatch: Stopwatch, locks: contextlib.ExitStack
) -> tuple[DataSet, Target]:
    """`read_data`, and the folder of the run: before torch is imported and the network is opened, which take seconds.

    Args:
        settings: the run's settings.
        stopwatch: times the step, and reports what is left out.
        locks: releases the lock of the run's folder.

    Raises:
        CnncliError: the data cannot be trained on, or the folder cannot be written.
    """
    with stopwatch.measure("finding the images"):
        data = read_data(settings, stopwatch.progress)
    target = choose_run_folder(settings.output, data.name, overwrite=settings.overwrite, locks=locks)
    if settings.tune is not Tune.SCRATCH and (hint := accuracy_hint(settings.reference)):
        stopwatch.progress.notice(hint)
    return data, target


def describe_data(data: DataSet, progress: Progress) -> None:
    """Report the number of images per split, and the classes in their order, of each task if there are some."""
    counts = [f"{len(samples):,} {split}" for split in Split if (samples := data.split(split))]
    images = counted(len(data.samples), "image")
    progress.notice(f"{data.name}: {len(data.class_names):,} classes, {images} ({', '.join(counts)})")
    if not data.tasks:
        progress.notice(f"classes: {_numbered(data.class_names)}")
    for task in data.tasks:
        progress.notice(f"{task.name}, {task.kind.text}: {_numbered(task.class_names)}")


def _numbered(names: Sequence[str]) -> str:
    """`0 cat, 1 dog`."""
    return ", ".join(f"{index} {name}" for index, name in enumerate(names))
