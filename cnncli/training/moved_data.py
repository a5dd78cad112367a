"""A run whose data was moved: `cnncli finetune NEW --resume RUN` continues with it if the images are the same."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cnncli.data import layout
from cnncli.data.split_matching import changed_images
from cnncli.data.splits import SPLITS, read_rows
from cnncli.errors import TrainingError
from cnncli.records.data import DataPath
from cnncli.records.progress import Progress, activity_if_many
from cnncli.text import quote
from cnncli.training.manifest import RunManifest, save_manifest
from cnncli.training.settings import NetworkSettings, absolute, option_values
from cnncli.training.settings_file import SETTINGS, read_settings

LOCATION = frozenset({"data", "root"})
"""The options that say where the data is; they may change if the images do not."""


def is_moved(run: Path, settings: NetworkSettings) -> bool:
    """Whether the settings name other data than the run was started with."""
    before, now = _location(read_settings(run / SETTINGS).options), _location(option_values(settings))
    return before != now


def _location(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name in LOCATION}


def require_data(run: Path, data: DataPath) -> None:
    """Raise TrainingError if the data of a run is no longer there."""
    if not layout.may_exist(data):
        raise TrainingError(
            f"{data} does not exist", f"if it was moved: cnncli finetune NEW --resume {quote(run)}"
        )


def find_moved_images(
    run: Path, settings: NetworkSettings, manifest: RunManifest, progress: Progress
) -> RunManifest:
    """The manifest of a run with the new location of its images.

    Raises:
        CnncliError: an image is missing there, or differs; or the run has no digests of its images.
    """
    root = absolute(layout.read(settings.data, settings.columns).root) or ""
    rows = read_rows(run)
    hint = f"put the data back to {manifest.root}, or start a new run"
    if any(row.schema == 1 for row in rows):
        raise TrainingError(f"{run} cannot resume on data that was moved: its {SPLITS} has no digests", hint)
    with activity_if_many(progress, "comparing the images with those of the run", len(rows)):
        changed = changed_images(rows, root)
    if changed:
        raise TrainingError(
            f"{settings.data} does not hold the images of {run}: {len(changed):,} of {len(rows):,} are missing or differ, "
            f"e.g. {changed[0]}",
            hint,
        )
    return replace(manifest, root=root)


def record_move(run: Path, settings: NetworkSettings, manifest: RunManifest) -> None:
    """Write the new location of the data into a run's folder.

    Raises:
        OutputError: it cannot be written.
    """
    save_manifest(run, manifest)
    recorded = read_settings(run / SETTINGS)
    others = {name: value for name, value in recorded.options.items() if name not in LOCATION}
    replace(recorded, options=_location(option_values(settings)) | others).write(run)
