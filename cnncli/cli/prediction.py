"""The options that say what is predicted, for the commands that predict."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli.option_groups import OptionGroup
from cnncli.dataclass import frozen_dataclass
from cnncli.records.defaults import KNOWN_SHARE, PROMPT
from cnncli.records.engines import InferenceOptions
from cnncli.records.predictions import LabelStyle

if TYPE_CHECKING:
    from cnncli.networks.predict_settings import PredictSettings

Threshold = Annotated[
    float | None,
    typer.Option(
        "--threshold",
        min=0,
        max=1,
        metavar="P",
        help="Confidence threshold; less probable classes are reported as unknown, or left out by a multi-label model.  "
        "[default: 0; for a multi-label model, that of each class in the model]",
    ),
]
Unfamiliar = Annotated[
    float | None,
    typer.Option(
        "--unfamiliar",
        min=0,
        max=1,
        metavar="SHARE",
        help="Answer unknown for images unlike any class, so that this share of known images is kept, e.g. "
        f"{KNOWN_SHARE}. Runs of finetune keep what that takes.",
    ),
]
Known = Annotated[
    str | None,
    typer.Option(
        "--known",
        metavar="DIR",
        help="Images of the model's classes that --unfamiliar takes for known: for models without training features (a weaker sign), or "
        "for photos unlike those that a run held out.",
    ),
]
Classes = Annotated[
    str | None,
    typer.Option(
        "--classes",
        metavar="A,B,…|@FILE",
        help="Only these classes can be predicted: names, WordNet identifiers or indices, or a file with one per line. For a "
        "CLIP network, which has no classes of its own: any names.",
    ),
]
Prompt = Annotated[
    str | None,
    typer.Option(
        "--prompt",
        metavar="TEXT",
        help="What a CLIP network compares an image with, {} being the name of a class in --classes.  "
        f"[default: {PROMPT}]",
        show_default=False,
    ),
]
RollupFile = Annotated[
    Path | None,
    typer.Option(
        "--rollup",
        metavar="FILE",
        help="Add up the probabilities of classes that are shown as one: a CSV of class names, the model's name and the name to "
        "show. Other classes stay.",
    ),
]
Labelling = Annotated[
    LabelStyle,
    typer.Option("--label-style", help="Label of a class: its name, WordNet identifier or index."),
]


@frozen_dataclass
class ClassOptions(OptionGroup):
    """Which classes can be answers, and how they are labelled."""

    unfamiliar: Unfamiliar = None
    known: Known = None
    classes: Classes = None
    prompt: Prompt = None
    rollup: RollupFile = None
    label_style: Labelling = LabelStyle.NAME

    def settings(
        self, topk: int | None, threshold: float | None, inference: InferenceOptions, *, exif: bool = False
    ) -> "PredictSettings":
        """The settings of predictions.

        Args:
            topk: number of classes of a prediction; None for the default.
            threshold: `--threshold`.
            inference: how images go through the network.
            exif: whether to say when, with what and where photographs were taken.

        Raises:
            UsageError: a list of classes or a rollup cannot be read or is empty.
        """
        from cnncli.networks.answer_classes import read_class_list, read_rollup
        from cnncli.networks.predict_settings import PredictSettings

        return PredictSettings(
            topk=topk,
            threshold=threshold,
            label_style=self.label_style,
            classes=None if self.classes is None else read_class_list(self.classes),
            rollup=read_rollup(self.rollup) if self.rollup else None,
            exif=exif,
            unfamiliar=self.unfamiliar,
            known=self.known,
            inference=inference,
        )
