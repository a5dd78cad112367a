"""Checkpoints of a training run, each written completely or not at all.

`last.pt` is the newest and `before.pt` the one before it, so that a file damaged by a failing disk costs only minutes.
They are read by torch's weights-only loader: tensors, numbers and strings, and nothing that could run.
"""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import NotANumberError, OutputError, TrainingError
from cnncli.files.whole import whole_file
from cnncli.networks.tensor_files import raise_os_errors
from cnncli.networks.zoo.checkpoint import unpickle_tensors
from cnncli.records.training import Amp, Epoch, Layout, best_epoch
from cnncli.text import quote
from cnncli.training.run_folder import CHECKPOINTS

if TYPE_CHECKING:
    from cnncli.training.network.meter import Meter
    from cnncli.training.network.processes import Processes
    from cnncli.training.network.state import TrainingState
    from cnncli.training.network.validation_outputs import ValidationOutputs

_LAST, _BEFORE, KEPT, OUTPUTS_FILE = "last.pt", "before.pt", "best.safetensors", "best_outputs.safetensors"
_FORMAT = 2


@frozen_dataclass
class RunConstants:
    """Values that are measured at the start of a run and stay the same until its end.

    Attributes:
        lr: peak learning rate; None until `--lr auto` has found one.
        layout: memory layout of images.
        amp: precision of the forward pass.
    """

    lr: float | None
    layout: Layout
    amp: Amp

    @property
    def peak_lr(self) -> float:
        """The peak learning rate.

        Raises:
            ValueError: it is not known yet.
        """
        if self.lr is None:
            raise ValueError("--lr auto has not found a learning rate yet")
        return self.lr


@dataclass(slots=True)
class Checkpoint:
    """The state of a training run, with everything needed to resume it.

    Attributes:
        network: state of the network.
        constants: values that stay the same during the run.
        optimizer: state of the optimiser; empty before the first step.
        average: state of the moving average of the weights; None without one.
        scaler: state of the loss scaling that fp16 needs; None elsewhere.
        epoch, step: next epoch and step, from 0.
        updates: number of weight updates since the start of the run.
        seconds: training time so far.
        sums: loss, correctly answered images and images of the current epoch.
        pieces: number of pieces that a batch is split into because memory is short.
        history: finished epochs.
        unreadable: path and reason of images that could not be read.
    """

    network: dict[str, Tensor]
    constants: RunConstants
    optimizer: dict[str, Any] = field(default_factory=dict)
    average: dict[str, Any] | None = None
    scaler: dict[str, Any] | None = None
    epoch: int = 0
    step: int = 0
    updates: int = 0
    seconds: float = 0.0
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    pieces: int = 1
    history: list[Epoch] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)

    @property
    def best(self) -> Epoch | None:
        """The best epoch so far."""
        return best_epoch(self.history)


def divergence(run: Path, checkpoint: Checkpoint) -> NotANumberError:
    """The error for a loss or weights that are no longer finite."""
    return NotANumberError(
        f"the loss is no longer a number, in epoch {checkpoint.epoch + 1}, step {checkpoint.step + 1}; "
        f"the last checkpoint in {run / CHECKPOINTS} is from before that",
        f"start again with an --lr below {checkpoint.constants.peak_lr:g}, or with --clip-grad 1",
    )


_SAVE_EVERY = 60.0
"""Seconds between two checkpoints within an epoch; more if writing one takes long."""

_SAVING_SHARE = 1 / 20
"""Largest share of the time spent on writing checkpoints."""


class Checkpointer:
    """Writes the checkpoints of a run, in all processes at the same step."""

    def __init__(
        self,
        run: Path,
        checkpoint: Checkpoint,
        state: "TrainingState",
        meter: "Meter",
        processes: "Processes",
    ) -> None:
        """Nothing is written yet.

        Args:
            run: folder of the run.
            checkpoint: updated, then written.
            state: network and optimiser.
            meter: sums and seconds.
            processes: only the first one writes.
        """
        self._run, self._checkpoint = run, checkpoint
        self._state, self._meter, self._processes = state, meter, processes
        self._saved_at = time.monotonic()
        self._write_seconds = 0.0

    def is_due(self) -> bool:
        """Whether the last checkpoint is old enough in any process."""
        pause = max(_SAVE_EVERY, self._write_seconds / _SAVING_SHARE)
        return self._processes.any(condition=time.monotonic() - self._saved_at > pause)

    def save(self) -> None:
        """Write a checkpoint.

        Raises:
            NotANumberError: a weight is not finite; the checkpoint on disk stays as it is.
            OutputError: it cannot be written.
        """
        start = time.monotonic()
        self._meter.synchronize()
        if self._processes.is_main:
            weights = self._state.network.state_dict()
            if not all(bool(torch.isfinite(value).all()) for value in weights.values()):
                raise divergence(self._run, self._checkpoint)
            self._state.store(self._checkpoint)
            save(self._run, self._checkpoint)
        self._processes.wait()
        self._saved_at = time.monotonic()
        self._write_seconds = self._saved_at - start

    def save_kept(self, outputs: "ValidationOutputs | None") -> None:
        """Write the weights that the run keeps so far, as they were validated.

        Args:
            outputs: of this process's validation images, if they are to be kept.
        """
        joined = outputs and outputs.join(self._processes)
        if self._processes.is_main:
            save_kept(self._run, self._state.averaged_network.state_dict(), joined)


def save(run: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint.

    Raises:
        OutputError: it cannot be written; the previous one is intact.
    """
    fields = {item.name: getattr(checkpoint, item.name) for item in dataclasses.fields(checkpoint)}
    fields["history"] = [epoch.values() for epoch in checkpoint.history]
    constants = checkpoint.constants
    fields["constants"] = {
        "lr": constants.lr,
        "layout": str(constants.layout),
        "amp": str(constants.amp),
    }
    folder = run / CHECKPOINTS
    with _durable_file(folder / _LAST, run) as draft:
        with raise_os_errors(draft):
            torch.save({"format": _FORMAT} | fields, draft)
        if (folder / _LAST).exists():
            (folder / _LAST).replace(folder / _BEFORE)


def load(run: Path, warn: Callable[[str], None]) -> Checkpoint:
    """The newest undamaged checkpoint.

    Args:
        run: the run's folder.
        warn: called with a message if the newest one is damaged.

    Raises:
        TrainingError: there is none.
    """
    damaged = []
    for name in (_LAST, _BEFORE):
        file = run / CHECKPOINTS / name
        if not file.is_file():
            continue
        try:
            fields = unpickle_tensors(file)
            _require_format(fields["format"], file)
            checkpoint = _read(fields)
        except TrainingError:
            raise
        except Exception:  # noqa: BLE001 - an unpickler of arbitrary bytes raises anything
            damaged.append(file)
            continue
        if damaged:
            warn(f"{damaged[0]} is damaged; resuming from {file.name}, which is older")
        return checkpoint
    if damaged:
        raise TrainingError(
            f"no checkpoint of {run} can be read: {' and '.join(map(str, damaged))} damaged",
            "start again, with another --output",
        )
    raise TrainingError(f"{run} has no checkpoint to resume from", "start it without --resume")


def _require_format(number: int, file: Path) -> None:
    if number != _FORMAT:
        raise TrainingError(
            f"{file} has checkpoint format {number}, and this version of cnncli reads {_FORMAT}",
            "finish the run with the version that started it, or start a new one",
        )


def _read(fields: Mapping[str, Any]) -> Checkpoint:
    values = {name: value for name, value in fields.items() if name != "format"}
    values["history"] = [Epoch(**epoch) for epoch in values["history"]]
    constants = values["constants"]
    values["constants"] = RunConstants(constants["lr"], Layout(constants["layout"]), Amp(constants["amp"]))
    return Checkpoint(**values)


def save_kept(run: Path, network: Mapping[str, Tensor], outputs: "ValidationOutputs | None") -> None:
    """Write the weights of the epoch that the run keeps, and the outputs for the validation images."""
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in network.items()}
    with _durable_file(run / CHECKPOINTS / KEPT, run) as draft, raise_os_errors(draft):
        save_file(tensors, draft)
    if outputs:
        with _durable_file(run / CHECKPOINTS / OUTPUTS_FILE, run) as draft:
            outputs.write(draft)


def load_kept(run: Path) -> dict[str, Tensor]:
    """The weights of the epoch that the run keeps.

    Raises:
        TrainingError: they cannot be read.
    """
    file = run / CHECKPOINTS / KEPT
    try:
        return load_file(file)
    except Exception as error:
        raise TrainingError(f"{file} is damaged: {error}", "start again, with another --output") from error


def remove_superseded(run: Path) -> None:
    """Remove what a finished run no longer needs, not even to be trained further."""
    with contextlib.suppress(OSError):
        (run / CHECKPOINTS / _BEFORE).unlink(missing_ok=True)


@contextlib.contextmanager
def _durable_file(file: Path, run: Path) -> Iterator[Path]:
    """A draft that is synchronised to disk before it gets the file's name."""
    try:
        file.parent.mkdir(exist_ok=True)
        with whole_file(file, overwrite=True, alone=True, sync=True) as draft:
            yield draft
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        if not any((run / CHECKPOINTS / name).exists() for name in (_LAST, _BEFORE)):
            raise OutputError(
                f"cannot write {file}: {reason}; training has not started",
                f"free some space, then start again with --output {run} --overwrite",
            ) from error
        raise OutputError(
            f"cannot write {file}: {reason}; the previous checkpoint is intact",
            f"free some space, then: cnncli finetune --resume {quote(run)}",
        ) from error
