"""The processes that train one network together, as started by torchrun; usually there is only one."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from numpy.typing import NDArray
from torch import Tensor

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import TrainingError
from cnncli.text import quote
from cnncli.training.network.rng import Indices

T = TypeVar("T")


@frozen_dataclass
class Processes:
    """Sums, decisions and values that the processes share."""

    accelerator: Accelerator

    @property
    def count(self) -> int:
        """The number of processes."""
        count: int = self.accelerator.num_processes
        return count

    @property
    def rank(self) -> int:
        """The number of this process, from 0."""
        rank: int = self.accelerator.process_index
        return rank

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and messages."""
        return self.rank == 0

    def slice(self, indices: Indices) -> Indices:
        """This process's share of (N,) indices: every `count`-th one."""
        return indices[self.rank :: self.count]

    def sum(self, numbers: Sequence[float]) -> list[float]:
        """The numbers, each added up over all processes in float64."""
        if self.count == 1:
            return list(numbers)
        tensor = torch.tensor(numbers, dtype=torch.float64, device=self.accelerator.device)
        total: Tensor = self.accelerator.reduce(tensor, "sum")
        sums: list[float] = total.tolist()
        return sums

    def any(self, *, condition: bool) -> bool:
        """Whether the condition holds in any process, so that all of them act on it at the same step."""
        if self.count == 1:
            return condition
        return self.sum([float(condition)])[0] > 0

    def gather(self, value: T) -> list[T]:
        """The value of each process, by rank."""
        if self.count == 1:
            return [value]
        values: list[T] = gather_object([value])
        return values

    def join(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """All rows (N, K), of which each process has those of its `slice`."""
        parts = self.gather(rows)
        joined = np.empty((sum(map(len, parts)), rows.shape[1]), np.float32)
        for rank, part in enumerate(parts):
            joined[rank :: self.count] = part
        return joined

    def wait(self) -> None:
        """Wait until all processes have called this."""
        self.accelerator.wait_for_everyone()


_BACKENDS = ("gloo", "NCCL")
"""What connects the processes, as their errors say."""


@contextlib.contextmanager
def report_lost_process(run: Path) -> Iterator[None]:
    """Say so if another process of a run has died.

    Raises:
        TrainingError: it has.
    """
    try:
        yield
    except RuntimeError as error:
        if not any(name in str(error) for name in _BACKENDS):
            raise
        raise TrainingError(
            f"the connection to another process that trains {run} is lost; the last checkpoint is intact",
            f"torchrun --max-restarts 3 goes on by itself, cnncli finetune --resume {quote(run)} by hand",
        ) from error
