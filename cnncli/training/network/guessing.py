"""Whether a network has learned more than a guess tells, and more than the classifier that it started with."""

import math

from cnncli.data.targets import targets
from cnncli.dataclass import frozen_dataclass
from cnncli.records.data import DataSet, Split
from cnncli.records.progress import Progress
from cnncli.records.training import Epoch
from cnncli.text import percent
from cnncli.training.manifest import RunManifest
from cnncli.training.settings import NetworkSettings
from cnncli.training.task_figures import guess_figures

_GUESSING = 0.98
"""Share of the loss of random guessing above which a network has learned nothing yet."""
_LUCK = 0.4
"""Share of the way from guessing to perfect accuracy that a network without any knowledge may reach on a few images."""


@frozen_dataclass
class Guess:
    """What guessing achieves: the loss, what epochs are compared by, and how it is done, as text."""

    loss: float
    score: float
    text: str

    @classmethod
    def of(cls, data: DataSet, settings: NetworkSettings) -> "Guess":
        """Guessing the labels of the validation images."""
        if not data.tasks:
            classes = len(data.class_names)
            return cls(math.log(classes), 1 / classes, f"among {classes:,} classes")
        labels = targets(data.split(Split.VAL), data.tasks)
        figures = guess_figures(labels, data.tasks, settings.weights_of(data.tasks))
        return cls(figures.loss, figures.score, "by how frequent each class is")


def warn_if_little_was_learned(kept: Epoch, manifest: RunManifest, guess: Guess, progress: Progress) -> None:
    """Warn if the epoch that is kept is no better than a guess, or than the classifier that training started with."""
    lucky = guess.score + _LUCK * (1 - guess.score)
    score = kept.val_top1 if kept.val_score is None else kept.val_score
    if kept.val_loss > _GUESSING * guess.loss and score < lucky:
        progress.warning(
            f"the network has learned next to nothing: its loss, {kept.val_loss:.3f}, is no better than that of guessing "
            f"{guess.text}, {guess.loss:.3f}; try a lower --lr, --lr auto, or more --epochs"
        )
        return
    initial = manifest.initial_accuracy
    if manifest.feature_score is None and initial is not None and kept.selection_score < initial:
        progress.warning(
            f"it started with a classifier on its features that was better, {percent(initial)} on val: try more "
            "--epochs, --augment none, or a lower --lr; --tune features keeps the classifier, auto the better of both"
        )
