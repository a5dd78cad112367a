"""Options that commands share: one name, one meaning, one help text. Loads nothing heavy."""

import enum
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.engines.select import ENGINES
from cnncli.errors import UsageError
from cnncli.records.defaults import DEFAULT, or_default
from cnncli.records.engines import EngineName, Precision
from cnncli.records.progress import Progress

if TYPE_CHECKING:
    from cnncli.networks.reference import Reference

UNREADABLE_INPUTS = 3
"""Exit code where some inputs could not be read, and all others were seen to."""


class ResultFormat(enum.StrEnum):
    """How a result is told."""

    TABLE = "table"
    JSON = "json"


class ReportFormat(enum.StrEnum):
    """How findings are written."""

    TEXT = "text"
    JSON = "json"


def named(word: str) -> Path:
    """A path that somebody has named: an empty one, as of a variable that is not set, would be the current folder.

    Raises:
        UsageError: it is empty.
    """
    if not word:
        raise UsageError("the name of a file or folder is empty", "is a variable not set?")
    return Path(word)


def image_size(text: str | None) -> tuple[int, int] | None:
    """`384` or `384x512` as (height, width).

    Raises:
        UsageError: it is neither.
    """
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,5})(?:[xX](\d{1,5}))?", text)
    height = int(match[1]) if match else 0
    width = int(match[2] or height) if match else 0
    if not height or not width:
        raise UsageError(f"--img-size: {text!r} is not a size", "write 384, or 384x512 for height x width")
    return height, width


def reference(
    model: str | None,
    progress: Progress,
    *,
    weights: Path | None = None,
    labels: Path | None = None,
    no_pretrained: bool = False,
    img_size: str | None = None,
) -> "Reference":
    """The network that the options ask for; the default model where none is named.

    Args:
        model: `--model`.
        progress: told when the built-in model takes the place of the default.
        weights: `--weights`.
        labels: `--labels`.
        no_pretrained: `--no-pretrained`.
        img_size: `--img-size`.

    Raises:
        UsageError: options that contradict each other, or an image size that is none.
    """
    from cnncli.networks.prepared import fall_back_to_built_in
    from cnncli.networks.reference import Reference

    asked = Reference(
        or_default(model), weights, labels, pretrained=not no_pretrained, image_size=image_size(img_size)
    )
    return fall_back_to_built_in(asked, progress) if model is None else asked


def _auto_or_number(text: str) -> int | None:
    """A number above zero; `auto` as None."""
    if text == "auto":
        return None
    if not text.isdecimal() or not 1 <= int(text) <= 65536:  # noqa: PLR2004 - more is a slip of the finger
        raise typer.BadParameter(f"{text!r} is neither 'auto' nor a number from 1 to 65536")
    return int(text)


Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="INPUT...",
        help="Image files, folders (with all folders in them), globs, or - for one image on standard input.",
        show_default=False,
    ),
]
FilesFrom = Annotated[
    str | None,
    typer.Option(
        "--files-from",
        metavar="LIST",
        help="Read paths of images from this file, one a line, as they stand; - is standard input.",
    ),
]
NullSeparated = Annotated[
    bool,
    typer.Option(
        "--null",
        "-0",
        help="Paths in the list end with NUL, as find -print0 writes them.",
    ),
]
MaxPixels = Annotated[
    int | None,
    typer.Option(
        "--max-pixels",
        min=1,
        metavar="N",
        help="Do not read images of more pixels than this.  [default: 178956970]",
    ),
]
ExactDecode = Annotated[
    bool,
    typer.Option(
        "--exact-decode",
        help="Decode every pixel of JPEGs above 4 megapixels, which takes several times as long.",
    ),
]

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        envvar="CNNCLI_MODEL",
        metavar="MODEL",
        help="A name of timm or torchvision (resnet50, resnet50.a1_in1k, torchvision/alexnet), hf-hub:org/name, a model "
        f"folder, the name of a prepared network, or pocket, the built-in model.  [default: {DEFAULT}]",
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        metavar="FILE",
        help="Local weights for the named network: safetensors or a torch checkpoint.",
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        metavar="FILE",
        help="Names of those weights' classes, one a line.",
    ),
]
NoPretrained = Annotated[
    bool,
    typer.Option("--no-pretrained", help="Random weights, to try what a network costs."),
]
ImageSize = Annotated[
    str | None,
    typer.Option(
        "--img-size",
        metavar="N|HxW",
        help="Another input size in pixels than the network's own.",
    ),
]

Offline = Annotated[bool, typer.Option("--offline", help="Download nothing; use what is on this machine.")]

Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="auto|cpu|cuda|cuda:N|mps",
        help="Device to run on; auto is CUDA if available, else the CPU.",
    ),
]
Engine = Annotated[
    EngineName,
    typer.Option(
        "--engine",
        help="Inference engine: "
        + "; ".join(f"{spec.name} ({spec.summary})" for spec in ENGINES)
        + "; auto takes "
        + " if possible, else ".join(spec.name for spec in ENGINES if spec.is_automatic)
        + ".",
    ),
]
PrecisionOption = Annotated[
    Precision,
    typer.Option(
        "--precision",
        help="Number format of the computation; bf16 and fp16 need "
        + " or ".join(spec.title for spec in ENGINES if Precision.BF16 in spec.precisions)
        + ".",
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        "-b",
        metavar="INT|auto",
        parser=_auto_or_number,
        help="Images per batch.  [default: auto]",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        "-j",
        metavar="INT|auto",
        parser=_auto_or_number,
        help="Threads that decode images.  [default: auto, one per core]",
    ),
]

Data = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        parser=named,
        help="A folder with a folder of images for each class, in train/ and val/ or not; or a CSV or TSV list.",
        show_default=False,
    ),
]
PathColumn = Annotated[
    str, typer.Option("--path-column", metavar="NAME", help="The column of a list that holds paths.")
]
LabelColumn = Annotated[
    str, typer.Option("--label-column", metavar="NAME", help="The column of a list that holds classes.")
]
SplitColumn = Annotated[
    str,
    typer.Option(
        "--split-column",
        metavar="NAME",
        help="The column of a list that holds train, val or test, if it has one.",
    ),
]
Root = Annotated[
    Path | None,
    typer.Option(
        "--root", metavar="DIR", help="What a list's paths are relative to.  [default: the list's folder]"
    ),
]

Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write to a file; grows as FILE.part, renamed when complete.",
    ),
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on where an interrupted run left FILE.part."),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace a file that already exists."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say what is used: folder, engine, threads.")]
