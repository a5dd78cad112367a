"""The trackers of a run, which may fail or hang at any time without harm to the training."""

import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from cnncli.errors import CnncliError
from cnncli.evaluation.reporting import REPORT
from cnncli.records.choices import TrackerName
from cnncli.records.progress import Progress
from cnncli.records.tasks import Task
from cnncli.records.training import Epoch, FinetuneResult, TrainingProgress
from cnncli.text import first_line
from cnncli.time_limit import within
from cnncli.training.preparation import Stopwatch
from cnncli.training.processes import is_main
from cnncli.training.settings_file import SETTINGS, read_settings
from cnncli.training.tracking import mlflow, wandb
from cnncli.training.tracking.figures import epoch_figures, final_figures
from cnncli.training.tracking.tracker import (
    INTERRUPTED,
    RunDescription,
    TrackedRun,
    Tracker,
    read_tracked_run,
    write_tracked_run,
)

if TYPE_CHECKING:
    from cnncli.training.network.trainer import Show

_OPENERS: dict[TrackerName, Callable[[RunDescription, TrackedRun | None], Tracker]] = {
    TrackerName.MLFLOW: mlflow.open_run,
    TrackerName.WANDB: wandb.open_run,
}

_FILES = (REPORT, "curves.png", "confusion_matrix.png", SETTINGS)
"""What is uploaded of a run's folder, if it is there."""

_SECONDS, _FINAL_SECONDS = 30, 60
"""Time limits of opening a tracked run or logging an epoch, and of everything at the end."""


class Tracking:
    """The trackers of a run, from its start to its end; without any, nothing happens."""

    def __init__(self, names: Sequence[TrackerName], stopwatch: Stopwatch) -> None:
        """Open nothing yet.

        Args:
            names: the trackers; of torchrun's processes, only the first logs to them.
            stopwatch: times and reports what takes long, and warns of failures.
        """
        self._stopwatch = stopwatch
        self._trackers = [_SafeTracker(name, stopwatch.progress) for name in names if is_main()]

    def __enter__(self) -> Self:
        """The trackers."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what is still open, after an interrupt or a failure."""
        for tracker in self._trackers:
            tracker.abandon(error)

    def start(self, run: Path, tasks: Sequence[Task]) -> None:
        """Open the tracked runs.

        Args:
            run: folder of the run.
            tasks: what the network learns; empty where images have one class each.
        """
        for tracker in self._trackers:
            with self._stopwatch.measure(f"opening {tracker.name}"):
                tracker.start(run, tasks)

    def watch(self, show: "Show") -> "Show":
        """A display of training that passes each epoch on to the trackers, too."""

        @contextlib.contextmanager
        def show_and_track() -> Iterator[Callable[[TrainingProgress], None]]:
            with show() as report:

                def show_and_log(progress: TrainingProgress) -> None:
                    report(progress)
                    for tracker in self._trackers:
                        tracker.log(progress.history)

                yield show_and_log

        return show_and_track if self._trackers else show

    def finish(self, result: FinetuneResult) -> None:
        """Log the final figures and upload the report; also what could not be logged before."""
        for tracker in self._trackers:
            with self._stopwatch.measure(f"finishing {tracker.name}"):
                tracker.finish(result)


_AGAIN = "training goes on, and it is tried again at the end"


class _SafeTracker:
    """A tracker whose failures are warnings, and which is given up where it hangs."""

    def __init__(self, name: TrackerName, progress: Progress) -> None:
        self.name, self._progress = name, progress
        self._run = Path()
        self._tasks: Sequence[Task] = ()
        self._tracker: Tracker | None = None
        self._tracked: TrackedRun | None = None
        self._has_failed = False

    def start(self, run: Path, tasks: Sequence[Task]) -> None:
        """Open the tracked run."""
        self._run, self._tasks = run, tasks
        self._attempt(self._open, _SECONDS, _AGAIN)

    def log(self, history: Sequence[Epoch]) -> None:
        """Log the epochs that the tracked run does not have yet; after a failure, `finish` does that."""
        tracker, tracked = self._tracker, self._tracked
        if tracker and tracked and tracked.epochs < len(history) and not self._has_failed:
            self._attempt(lambda: self._log(tracker, history), _SECONDS, _AGAIN)

    def finish(self, result: FinetuneResult) -> None:
        """Log what is missing and the final figures, upload the report, and end the tracked run."""
        self._run = Path(result.folder)

        def complete() -> None:
            tracker = self._open()
            self._log(tracker, result.epochs)
            files = [file for name in _FILES if (file := self._run / name).is_file()]
            tracker.finish(final_figures(result), files)
            tracker.close(0)
            if tracker.hint:
                self._progress.notice(f"{self.name}: {tracker.hint}")

        seconds = _FINAL_SECONDS if self._tracker else _SECONDS
        self._attempt(complete, seconds, "the run itself is complete")
        self._tracker = None

    def abandon(self, error: BaseException | None) -> None:
        """End the tracked run, if it is open."""
        if tracker := self._tracker:
            code = error.exit_code if isinstance(error, CnncliError) else 1
            code = INTERRUPTED if isinstance(error, KeyboardInterrupt) else code
            self._attempt(lambda: tracker.close(code), _SECONDS, "its run stays open")

    def _open(self) -> Tracker:
        """The tracked run, opened if it is not open."""
        if self._tracker is None:
            earlier = read_tracked_run(self._run, self.name)
            settings = read_settings(self._run / SETTINGS).values()
            tracker = _OPENERS[self.name](RunDescription(self._run.name, settings), earlier)
            self._keep(TrackedRun(tracker.run_id, tracker.location, earlier.epochs if earlier else 0))
            self._progress.notice(f"{self.name}: run {tracker.run_id} in {tracker.location}")
            self._tracker = tracker
        return self._tracker

    def _log(self, tracker: Tracker, history: Sequence[Epoch]) -> None:
        for epoch in history:
            if self._tracked and epoch.number > self._tracked.epochs:
                tracker.log(epoch_figures(epoch, self._tasks), epoch.number)
                self._keep(replace(self._tracked, epochs=epoch.number))

    def _keep(self, tracked: TrackedRun) -> None:
        write_tracked_run(self._run, self.name, tracked)
        self._tracked = tracked

    def _attempt(self, call: Callable[[], object], seconds: float, consequence: str) -> None:
        """Call a tracker; warn if that fails, or takes too long."""
        try:
            within(call, seconds)
        except Exception as error:  # noqa: BLE001 - trackers may raise anything
            self._has_failed = True
            self._progress.warning(f"{self.name}: {_reason(error)}; {consequence}")


def _reason(error: Exception) -> str:
    """What went wrong; where a server was not reached, what the operating system says about that."""
    cause: BaseException | None = error
    while cause:
        if isinstance(cause, ConnectionError | socket.gaierror) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return (isinstance(error, OSError) and error.strerror) or first_line(error)
