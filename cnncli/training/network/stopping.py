"""Early stopping: patience, or the time budget."""

from cnncli.dataclass import frozen_dataclass
from cnncli.text import counted
from cnncli.training.network.checkpoints import Checkpoint
from cnncli.training.network.meter import Meter
from cnncli.training.network.processes import Processes
from cnncli.training.options import TrainingOptions


@frozen_dataclass
class EarlyStopping:
    """The rules for ending training before its last epoch.

    Attributes:
        options: patience and time budget.
        checkpoint: has the history so far.
        meter: has the time so far.
        processes: the processes, which stop together.
    """

    options: TrainingOptions
    checkpoint: Checkpoint
    meter: Meter
    processes: Processes

    def reason(self) -> str | None:
        """Why no further epoch is started, as a message; None to continue."""
        history, best, patience = self.checkpoint.history, self.checkpoint.best, self.options.patience
        if best is None:
            return None
        if patience and len(history) - best.number >= patience:
            return f"no improvement in {counted(patience, 'epoch')}: stopped"
        if self.is_out_of_time():
            return f"stopped after {self.options.time_budget:g} min, the --time-budget"
        return None

    def is_out_of_time(self) -> bool:
        """Whether the time budget is used up in any process."""
        budget = self.options.time_budget
        return bool(budget) and self.processes.any(condition=self.meter.seconds >= 60 * budget)
