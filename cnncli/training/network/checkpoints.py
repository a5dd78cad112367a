"""What a training has come to, on disk: whole, or not there.

`last.pt` is the newest and `before.pt` the one before it, so that a file that a failing disk cut in half loses minutes.
Read by torch's weights-only loader: a checkpoint holds tensors, numbers and words, and nothing that could run.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cnncli.errors import OutputError, TrainingError
from cnncli.files.whole import whole_file
from cnncli.records.training import Epoch
from cnncli.training.run_folder import CHECKPOINTS

_LAST, _BEFORE, BEST = "last.pt", "before.pt", "best.safetensors"
_FORMAT = 1


@dataclass(slots=True)
class Checkpoint:
    """How far a training has come, and everything it needs to go on.

    Attributes:
        network: its state.
        optimizer: its state; empty before the first step.
        average: state of the weights' moving average; None where none is kept.
        scaler: state of the loss scaling that fp16 needs; None elsewhere.
        epoch, step: that come next, from 0.
        updates: of the weights, since the beginning.
        seconds: that it took so far.
        sums: of the present epoch: loss, images named right, images.
        pieces: that a batch is computed in.
        history: the epochs that are done.
        unreadable: path and reason of images that could not be read.
        fixed: what was chosen at the start and stays: layout, arithmetic, learning rate.
    """

    network: dict[str, Tensor]
    fixed: dict[str, Any]
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
        """The epoch with the best answers for validation images, the first of equals."""
        return max(self.history, key=lambda epoch: (epoch.val_top1, -epoch.val_loss), default=None)


def save(run: Path, progressed: Checkpoint) -> None:
    """Write a checkpoint.

    Raises:
        OutputError: it cannot be written; the one before it is untouched.
    """
    fields = {item.name: getattr(progressed, item.name) for item in dataclasses.fields(progressed)}
    fields["history"] = [dataclasses.asdict(epoch) for epoch in progressed.history]
    folder = run / CHECKPOINTS
    with _written(folder / _LAST, run) as draft:
        torch.save({"format": _FORMAT} | fields, draft)
        if (folder / _LAST).exists():
            (folder / _LAST).replace(folder / _BEFORE)


def load(run: Path, warn: Callable[[str], None]) -> Checkpoint:
    """The newest checkpoint that is whole.

    Args:
        run: the run's folder.
        warn: told when that is not the newest one.

    Raises:
        TrainingError: there is none.
    """
    damaged = []
    for name in (_LAST, _BEFORE):
        file = run / CHECKPOINTS / name
        if not file.is_file():
            continue
        try:
            found = torch.load(file, map_location="cpu", weights_only=True)
            progressed = _read(found)
        except Exception:  # noqa: BLE001 - an unpickler of arbitrary bytes raises anything
            damaged.append(file)
            continue
        if damaged:
            warn(f"{damaged[0]} is damaged; going on from {file.name}, which is older")
        return progressed
    if damaged:
        raise TrainingError(
            f"no checkpoint of {run} can be read: damaged is {' and '.join(map(str, damaged))}",
            "start again, with another --output",
        )
    raise TrainingError(f"{run} has no checkpoint to go on from", "start it without --resume")


def _read(found: Mapping[str, Any]) -> Checkpoint:
    values = dict(found)
    if values.pop("format") != _FORMAT:
        raise ValueError
    values["history"] = [Epoch(**epoch) for epoch in values["history"]]
    return Checkpoint(**values)


def save_best(run: Path, network: Mapping[str, Tensor]) -> None:
    """Write the weights of the best epoch so far."""
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in network.items()}
    with _written(run / CHECKPOINTS / BEST, run) as draft:
        save_file(tensors, draft)


def load_best(run: Path) -> dict[str, Tensor]:
    """The weights of the best epoch.

    Raises:
        TrainingError: they cannot be read.
    """
    file = run / CHECKPOINTS / BEST
    try:
        return load_file(file)
    except Exception as error:
        raise TrainingError(f"{file} is damaged: {error}", "start again, with another --output") from error


def tidy(run: Path) -> None:
    """Of a finished run keep what raising its epochs needs."""
    with contextlib.suppress(OSError):
        (run / CHECKPOINTS / _BEFORE).unlink(missing_ok=True)


@contextlib.contextmanager
def _written(file: Path, run: Path) -> Iterator[Path]:
    """A file that is written, brought to the disk, and only then given its name."""
    try:
        file.parent.mkdir(exist_ok=True)
        with whole_file(file, alone=True, sync=True) as draft:
            yield draft
    except (
        OSError,
        RuntimeError,
        SafetensorError,
    ) as error:  # torch's zip writer has a RuntimeError for a full disk
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        raise OutputError(
            f"cannot write {file}: {reason}; the checkpoint before it is whole",
            f"make room, then: cnncli finetune --resume {run}",
        ) from error
