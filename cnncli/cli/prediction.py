"""The options that say what is predicted, for the commands that predict."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.records.defaults import KNOWN_SHARE, PROMPT
from cnncli.records.predictions import LabelStyle

if TYPE_CHECKING:
    from cnncli.inference import InferenceOptions
    from cnncli.predict import PredictSettings

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


def predict_settings(
    *,
    topk: int | None,
    threshold: float | None,
    label_style: LabelStyle,
    classes: str | None,
    rollup: Path | None,
    exif: bool = False,
    unfamiliar: float | None = None,
    known: str | None = None,
    inference: "InferenceOptions",
) -> "PredictSettings":
    """The settings that the options of these names describe.

    Raises:
        UsageError: a list of classes or a rollup cannot be read or is empty.
    """
    from cnncli.networks.answer_classes import read_class_list, read_rollup
    from cnncli.predict import PredictSettings

    return PredictSettings(
        topk=topk,
        threshold=threshold,
        label_style=label_style,
        classes=None if classes is None else read_class_list(classes),
        rollup=read_rollup(rollup) if rollup else None,
        exif=exif,
        unfamiliar=unfamiliar,
        known=known,
        inference=inference,
    )
