"""`cnncli export`: a network as one ONNX file with preprocessing and class names."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cnncli.cli import completion, options
from cnncli.cli.console import Console, quiet_libraries, write_data
from cnncli.cli.options import ResultFormat
from cnncli.records.exporting import ExportResult, Input, Quantize
from cnncli.text import counted, percent, size


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            autocompletion=completion.complete_model,
            help="Model to export: a run, a model folder, or a name as for predict.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE.onnx", help="The file to write.", show_default=False),
    ],
    input_: Annotated[
        Input,
        typer.Option(
            "--input",
            help="Input of the file: uint8 images of any size (N, H, W, C), or preprocessed float images (N, C, H, W).",
        ),
    ] = Input.UINT8,
    half: Annotated[
        bool, typer.Option("--half", help="Convert to float16: half the size of float32.")
    ] = False,
    quantize: Annotated[
        Quantize | None,
        typer.Option(
            "--quantize",
            help="Convert to integer arithmetic: a quarter of the size of float32.",
            show_default=False,
        ),
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            "--calibrate",
            metavar="DIR",
            help="A few hundred typical images for --quantize. Half of them, or the val or test split, measure the loss in accuracy.",
        ),
    ] = None,
    check: Annotated[
        list[Path] | None,
        typer.Option(
            "--check",
            metavar="PATH",
            help="Image or folder on which the file is compared with predict; by default two generated images.",
            show_default=False,
        ),
    ] = None,
    license_: Annotated[
        str | None,
        typer.Option(
            "--license", metavar="TEXT", help="License of the weights; known for timm's.", show_default=False
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    format_: Annotated[
        ResultFormat, typer.Option("--format", "-f", help="Format of standard output.")
    ] = ResultFormat.TABLE,
    weights: options.Weights = None,
    labels: options.Labels = None,
    no_pretrained: options.NoPretrained = False,
    img_size: options.ImageSize = None,
    offline: options.Offline = False,
    quiet: options.Quiet = False,
) -> None:
    """Export a model as one ONNX file that runs without cnncli, with preprocessing and class names.

    `cnncli predict -m FILE.onnx` runs it.

    \b
    Examples:
      cnncli export runs/photos -o photos.onnx --check photos/val
      cnncli export runs/photos -o int8.onnx --quantize int8 --calibrate photos/
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet)
    image_size = options.image_size(img_size)
    with quiet_libraries(), console.spinner("exporting the network"):
        from cnncli.export.onnx import ExportSettings, export_onnx
        from cnncli.networks.reference import Reference
        from cnncli.prepare import prepare

        settings = ExportSettings(
            output=output,
            input=input_,
            half=half,
            quantize=quantize,
            calibration=calibrate,
            check=tuple(check or ()),
            license=license_,
            overwrite=overwrite,
        )
        reference = Reference(model, weights, labels, pretrained=not no_pretrained, image_size=image_size)
        folder = prepare(reference, console, is_offline=offline, needs_classes=True)
        result = export_onnx(folder, settings, console)
    if format_ is ResultFormat.JSON:
        from dataclasses import asdict

        write_data(json.dumps(asdict(result) | {"file": str(result.file)}, indent=2) + "\n")
        return
    write_data(_text(result, "answers" if folder.card.tasks else "class"))


def _text(result: ExportResult, answer: str) -> str:
    """The result as lines; `answer` is what an image keeps if its prediction stays the same."""
    checked = counted(result.checked_images, "image")
    lines = [
        f"file        {result.file}, {size(result.bytes)} (the compiled network has {size(result.original_bytes)})",
        (
            f"checked     {checked}: {percent(result.agreement)} keep their {answer}, "
            f"probabilities within {result.max_difference:.1e}"
        ),
    ]
    if cost := result.quantization:
        images = counted(cost.images, "image")
        lines.append(f"agreement   {percent(cost.agreement)} of {images} keep their {answer}")
        if cost.accuracy_before is not None and cost.accuracy_after is not None:
            before, after = percent(cost.accuracy_before), percent(cost.accuracy_after)
            lines.append(f"accuracy    {after} (before quantizing {before})")
    lines.append(f"license     {result.license or 'unknown; set it with --license'}")
    return "\n".join(lines) + "\n"
