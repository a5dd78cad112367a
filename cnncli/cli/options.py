"""Options that several commands share, each with one name, one meaning and one help text. Imports nothing heavy."""

import enum
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnncli.cli import completion
from cnncli.engines.select import ENGINES
from cnncli.errors import UsageError
from cnncli.records.defaults import DEFAULT, MAX_INPUT, or_default
from cnncli.records.engines import EngineName, Precision
from cnncli.records.progress import Progress
from cnncli.text import is_url

if TYPE_CHECKING:
    from cnncli.networks.reference import Reference

UNREADABLE_INPUTS = 3
"""Exit code if some inputs could not be read; all others were processed."""


class ResultFormat(enum.StrEnum):
    """Formats of a result."""

    TABLE = "table"
    JSON = "json"


class ReportFormat(enum.StrEnum):
    """Formats of findings."""

    TEXT = "text"
    JSON = "json"


def is_typed(context: typer.Context, parameter: str) -> bool:
    """Whether a parameter was given on the command line: neither a default nor from the environment."""
    source = context.get_parameter_source(parameter)
    return source is not None and source.name == "COMMANDLINE"


def parse_path(word: str) -> Path:
    """A path from the command line; an empty one, as from an unset variable, would mean the current folder.

    Raises:
        UsageError: it is empty.
    """
    if not word:
        raise UsageError("a path is empty", "is a shell variable unset?")
    return Path(word)


def parse_data(word: str) -> str:
    """The path or URL of labelled images from the command line.

    Raises:
        UsageError: it is empty, or a model folder.
    """
    if is_url(word):
        return word
    from cnncli.data.layout import require_no_model_folder

    path = parse_path(word)
    require_no_model_folder(path)
    return str(path)


def parse_root(word: str) -> str:
    """A folder or URL from the command line.

    Raises:
        UsageError: it is empty.
    """
    return word if is_url(word) else str(parse_path(word))


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
        raise UsageError(f"--img-size {text!r} is not a size", "use 384, or 384x512 for height x width")
    if height * width > MAX_INPUT:
        raise UsageError(f"--img-size {text} is too large", "4096x4096 pixels at most")
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
    """The model that the options name; the default model if they name none.

    Args:
        model: `--model`.
        progress: reports if the built-in model replaces the default.
        weights: `--weights`.
        labels: `--labels`.
        no_pretrained: `--no-pretrained`.
        img_size: `--img-size`.

    Raises:
        UsageError: options that contradict each other, or an invalid image size.
    """
    from cnncli.networks.prepared import fall_back_to_built_in
    from cnncli.networks.reference import Reference

    requested = Reference(
        or_default(model), weights, labels, pretrained=not no_pretrained, image_size=image_size(img_size)
    )
    return fall_back_to_built_in(requested, progress) if model is None else requested


def _auto_or_number(text: str) -> int | None:
    """A positive integer; None for `auto`."""
    if text == "auto":
        return None
    if not text.isdecimal() or not 1 <= int(text) <= 65536:  # noqa: PLR2004 - a larger one is a typing error
        raise typer.BadParameter(f"{text!r} is neither 'auto' nor a number from 1 to 65536")
    return int(text)


Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="INPUT...",
        help="Image files, folders (searched recursively), tar archives, Parquet files, URLs of these (s3://bucket/folder/), "
        "globs, ranges ('a-{000..099}.tar'), or - for one image on standard input.",
        show_default=False,
    ),
]
FilesFrom = Annotated[
    str | None,
    typer.Option(
        "--files-from",
        metavar="LIST",
        help="Read image paths from this file or URL, one per line, taken literally, or from a column of a CSV, TSV or Parquet "
        "file; - is standard input.",
    ),
]
NullSeparated = Annotated[
    bool,
    typer.Option(
        "--null",
        "-0",
        help="Paths in the --files-from list end with NUL, as written by find -print0.",
    ),
]
MaxPixels = Annotated[
    int | None,
    typer.Option(
        "--max-pixels",
        min=1,
        metavar="N",
        help="Do not read images with more pixels than this.  [default: 178956970]",
    ),
]
ExactDecode = Annotated[
    bool,
    typer.Option(
        "--exact-decode",
        help="Decode JPEGs above 4 megapixels and RAW images at full resolution, which takes several times as long.",
    ),
]

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        envvar="CNNCLI_MODEL",
        metavar="MODEL",
        autocompletion=completion.complete_model,
        help="A name of timm or torchvision (resnet50, resnet50.a1_in1k, torchvision/alexnet), hf-hub:org/name, a model folder or "
        f"its URL, a folder that transformers saved, the name of a prepared network, or pocket, the built-in model.  [default: {DEFAULT}]",
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        metavar="FILE",
        help="Local weights for the model: safetensors or a torch checkpoint.",
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        metavar="FILE",
        help="File with the class names of --weights, one per line.",
    ),
]
NoPretrained = Annotated[
    bool,
    typer.Option("--no-pretrained", help="Use random weights, to measure what a model costs."),
]
ImageSize = Annotated[
    str | None,
    typer.Option(
        "--img-size",
        metavar="N|HxW",
        help="Input size in pixels, instead of the model's own.",
    ),
]

Offline = Annotated[bool, typer.Option("--offline", help="Download nothing; use only local files.")]

Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="auto|cpu|cuda|cuda:N|mps",
        autocompletion=completion.complete_device,
        help="Device to run on; auto is CUDA if torch finds it, else the CPU.",
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
        + "; auto is bf16 where the processor or GPU computes in it, else fp32.",
    ),
]


def batch_size_option(default: str) -> Any:  # noqa: ANN401 - what Typer takes
    """`--batch-size`, with its default in words."""
    return typer.Option(
        "--batch-size",
        "-b",
        metavar="INT|auto",
        parser=_auto_or_number,
        help=f"Images per batch.  [default: {default}]",
    )


BatchSize = Annotated[int | None, batch_size_option("auto")]
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
    str,
    typer.Argument(
        metavar="DATA",
        parser=parse_data,
        help="A folder with one folder of images per class, optionally below train/, val/ and test/; a CSV, TSV or Parquet list; "
        "or tar archives or Parquet files that hold the images ('train-{000..099}.tar'). Each may be a URL.",
        show_default=False,
    ),
]
PathColumn = Annotated[
    str,
    typer.Option(
        "--path-column", metavar="NAME", help="Column with the image paths in a CSV, TSV or Parquet list."
    ),
]
ImageColumn = Annotated[
    str | None,
    typer.Option(
        "--image-column",
        metavar="NAME",
        help="Column with the images in a Parquet file: bytes, or structures with bytes.  [default: image, or the only one]",
    ),
]
Root = Annotated[
    str | None,
    typer.Option(
        "--root",
        metavar="DIR|URL",
        parser=parse_root,
        help="Folder that the paths of a list are relative to.  [default: the list's folder]",
    ),
]

Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="File to write; named FILE.part until complete.",
    ),
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Continue FILE.part of an interrupted run."),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace a file that already exists."),
]
Tta = Annotated[
    bool,
    typer.Option(
        "--tta",
        help="Test-time augmentation: average over each image and its horizontal flip (twice the time).",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only print errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print model folder, engine and threads.")]
