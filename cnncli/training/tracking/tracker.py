"""What a tracker is, and how a run folder keeps which tracked run belongs to it."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import TrainingError, TrainingStopped
from cnncli.files.schema import schema_problem
from cnncli.files.whole import whole_file
from cnncli.records.choices import TrackerName
from cnncli.regular_file import read_text
from cnncli.text import parse_json

TRACKING = "tracking.json"
"""The name of the file in a run's folder."""

SCHEMA = 1
"""Schema number of new files. Later versions must still read files with this number."""

PROJECT = "cnncli"
"""The experiment or project in which runs are, unless an environment variable of the tracker names another."""

INTERRUPTED = TrainingStopped.exit_code


class Tracker(Protocol):
    """A tracked run that is open. Any method may raise any exception, and take any time."""

    @property
    def run_id(self) -> str:
        """The identifier of the run."""

    @property
    def location(self) -> str:
        """Where the run is kept."""

    @property
    def hint(self) -> str:
        """What is left to do when the run is complete; empty for nothing."""

    def log(self, figures: Mapping[str, float], epoch: int) -> None:
        """Log figures of an epoch."""

    def finish(self, figures: Mapping[str, float], files: Sequence[Path]) -> None:
        """Log the final figures, and upload files."""

    def close(self, exit_code: int) -> None:
        """End the run; `exit_code` is 0 if it is complete, `INTERRUPTED` if it can be resumed."""


@frozen_dataclass
class TrackedRun:
    """What is known of a tracked run when it is resumed.

    Attributes:
        run_id: its identifier.
        location: where it was last seen.
        epochs: number of epochs whose figures it has.
    """

    run_id: str
    location: str
    epochs: int = 0


@frozen_dataclass
class RunDescription:
    """What a tracker shows of a run beside its figures.

    Attributes:
        name: of the run's folder.
        settings: options, base model and versions, as in settings.toml.
    """

    name: str
    settings: Mapping[str, Any]


def read_tracked_run(run: Path, name: TrackerName) -> TrackedRun | None:
    """The run of a tracker that belongs to a run folder; None before it is tracked.

    Raises:
        TrainingError: tracking.json is damaged, or has another schema.
    """
    values = _read(run).get(name)
    try:
        return None if values is None else TrackedRun(**values)
    except TypeError as error:
        raise TrainingError(f"{run / TRACKING} cannot be read: {error}") from error


def write_tracked_run(run: Path, name: TrackerName, tracked: TrackedRun) -> None:
    """Keep in a run folder which run of a tracker belongs to it.

    Raises:
        OSError: that cannot be written.
    """
    document = {"schema": SCHEMA, **_read(run), name.value: dataclasses.asdict(tracked)}
    with whole_file(run / TRACKING, overwrite=True, alone=True) as draft:
        draft.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _read(run: Path) -> dict[str, Any]:
    """The contents of tracking.json; empty if there is none."""
    file = run / TRACKING
    try:
        document = parse_json(read_text(file))
        problem = schema_problem(document.get("schema"), SCHEMA, "delete it")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        raise TrainingError(f"{file} cannot be read: {error}") from error
    if problem:
        raise TrainingError(f"{file} cannot be read: {problem.reason}")
    return dict(document)
