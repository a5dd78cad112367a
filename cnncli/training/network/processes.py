"""The processes that train one network together, as torchrun starts them; a single one is the usual case."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from cnncli.training.network.rng import Indices

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Processes:
    """What the processes add up, decide together and exchange."""

    accelerator: Accelerator

    @property
    def count(self) -> int:
        """How many there are."""
        count: int = self.accelerator.num_processes
        return count

    @property
    def rank(self) -> int:
        """This one's number, from 0."""
        rank: int = self.accelerator.process_index
        return rank

    @property
    def is_main(self) -> bool:
        """Whether this is the one that writes files and messages."""
        return self.rank == 0

    def slice(self, indices: Indices) -> Indices:
        """This process's share of (N,) indices: every `count`-th."""
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

    def wait(self) -> None:
        """Return once all processes have come here."""
        self.accelerator.wait_for_everyone()
