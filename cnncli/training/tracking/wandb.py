"""Weights & Biases: the project is WANDB_PROJECT or `cnncli`; without a login, runs stay on the disk for `wandb sync`."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cnncli.text import first_line, quote
from cnncli.training.tracking.tracker import PROJECT, RunDescription, TrackedRun

_CONNECT_SECONDS = 15
"""Time in which a server must answer; otherwise the run is kept on the disk."""

_UPLOAD_SECONDS = 50
"""Time for uploading what is left at the end of a run, also when the program ends; the rest stays on the disk."""


def open_run(run: RunDescription, earlier: TrackedRun | None) -> "WandbRun":
    """Start a run in Weights & Biases, or go on with an earlier one; offline where the server is not reached."""
    import wandb

    wandb.setup(_quiet(wandb))
    note = ""
    try:
        opened = _init(wandb, run, earlier, _mode(wandb))
    except wandb.errors.CommError as error:
        opened = _init(wandb, run, earlier, "offline")
        note = f"{first_line(error)}; "
    opened.config.update(dict(run.settings), allow_val_change=True)
    return WandbRun(opened, note)


def _init(wandb: Any, run: RunDescription, earlier: TrackedRun | None, mode: str | None) -> Any:  # noqa: ANN401 - wandb may not be installed
    return wandb.init(
        project=os.environ.get("WANDB_PROJECT") or PROJECT,
        name=run.name,
        id=earlier.run_id if earlier else None,
        resume="allow" if earlier else None,
        reinit="create_new",
        mode=mode,
        settings=_quiet(wandb),
    )


def _quiet(wandb: Any) -> Any:  # noqa: ANN401 - wandb may not be installed
    """Settings with which nothing about the machine, its packages or the program, nor what it prints, is collected."""
    return wandb.Settings(
        silent=True,
        console="off",
        disable_git=True,
        disable_job_creation=True,
        save_code=False,
        x_disable_meta=True,
        x_disable_stats=True,
        x_save_requirements=False,
        init_timeout=_CONNECT_SECONDS,
        finish_timeout=_UPLOAD_SECONDS,
        finish_timeout_raises=True,
    )


def _mode(wandb: Any) -> str | None:  # noqa: ANN401 - wandb may not be installed
    """`offline` if nobody is logged in, so that nobody is asked; None for what the environment says."""
    if os.environ.get("WANDB_MODE") or wandb.run is not None:
        return None
    return None if wandb.login(prompt=False, verify=False) else "offline"


class WandbRun:
    """A run in Weights & Biases."""

    def __init__(self, run: Any, note: str = "") -> None:  # noqa: ANN401 - wandb may not be installed
        """Take a run.

        Args:
            run: what `wandb.init` opened.
            note: why it is offline, if that was not asked for.
        """
        self._run, self._note = run, note
        self.run_id = str(run.id)

    @property
    def location(self) -> str:
        """Its page, or its folder if it is offline."""
        if not self._is_offline:
            return str(self._run.url)
        folder = Path(self._run.settings.sync_dir)
        return str(folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder)

    @property
    def hint(self) -> str:
        """How an offline run is sent."""
        return f"{self._note}to send the run: wandb sync {quote(self.location)}" if self._is_offline else ""

    @property
    def _is_offline(self) -> bool:
        return bool(self._run.settings.mode == "offline")

    def log(self, figures: Mapping[str, float], epoch: int) -> None:
        """Log figures of an epoch."""
        self._run.log({"epoch": epoch, **figures}, step=epoch)

    def finish(self, figures: Mapping[str, float], files: Sequence[Path]) -> None:
        """Log the final figures, and upload files."""
        import wandb

        self._run.summary.update(dict(figures))
        report = wandb.Artifact(f"report-{self.run_id}", type="report")
        for file in files:
            report.add_file(str(file))
        self._run.log_artifact(report)

    def close(self, exit_code: int) -> None:
        """End the run, and wait until everything is uploaded."""
        self._run.finish(exit_code)
