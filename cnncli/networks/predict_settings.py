"""What a prediction contains, as the options of a command or the arguments of a function say it.

Imports neither Pillow nor an engine, so that options are checked before these are.
"""

import dataclasses
from dataclasses import field

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import UsageError
from cnncli.networks.answer_classes import AnswerClasses, Rollup, answer_classes, choose_classes
from cnncli.networks.reference import Reference
from cnncli.records.defaults import KNOWN_SHARE
from cnncli.records.engines import InferenceOptions
from cnncli.records.networks import ModelCard
from cnncli.records.predictions import LabelStyle
from cnncli.records.progress import Progress


@frozen_dataclass
class PredictSettings:
    """What a prediction contains, and how images go through the network.

    Attributes:
        topk: number of classes of a prediction, most probable first. None for `TOPK`, but for all above their thresholds where
            several can be right.
        threshold: a class less probable than this is called `unknown`; where several can be right, it is left out. None for 0,
            but for the card's thresholds where several can be right.
        label_style: names, WordNet identifiers or indices as labels.
        classes: names of the only classes that can be predicted, after the rollup; None for all.
        rollup: classes whose probabilities are added up, by the name that they are shown as; None for none.
        exif: whether to say when, with what and where photographs were taken.
        unfamiliar: share of known images to keep, where others are called `unknown`; None to call none so because of its features.
        known: a folder of known images, of whose scores that is the share; None for those that the network's run held out.
        inference: engine, batches, decoding.
    """

    topk: int | None = None
    threshold: float | None = None
    label_style: LabelStyle = LabelStyle.NAME
    classes: tuple[str, ...] | None = None
    rollup: Rollup | None = None
    exif: bool = False
    unfamiliar: float | None = None
    known: str | None = None
    inference: InferenceOptions = field(default_factory=InferenceOptions)

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise UsageError(f"--threshold {self.threshold} is not a probability", "use a value from 0 to 1")
        if self.unfamiliar is None:
            if self.known is not None:
                raise UsageError(
                    "--known has no effect without --unfamiliar", f"add --unfamiliar {KNOWN_SHARE}"
                )
            return
        from cnncli.networks.familiarity import require_known_share, require_single_view

        require_known_share(self.unfamiliar)
        require_single_view(is_averaged=self.inference.tta)

    def choose_classes(
        self, reference: Reference, prompt: str | None, progress: Progress
    ) -> "tuple[Reference, PredictSettings]":
        """The network that predicts, and the settings for it: where it has a text tower, `classes` become classes of its own.

        Arguments and errors as `networks.answer_classes.choose_classes`.
        """
        reference, names = choose_classes(reference, self.classes, prompt, progress)
        return reference, dataclasses.replace(self, classes=names)

    def answer_classes(self, card: ModelCard) -> AnswerClasses:
        """The classes that predictions of a network are given in.

        Raises:
            UsageError: the network lacks a class or a label style, or has tasks where these settings allow none.
        """
        return answer_classes(card, self.label_style, self.classes, self.rollup)
