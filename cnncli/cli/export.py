"""`cnncli export`: a network as a file for another runtime, with preprocessing and class names."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cnncli.cli import completion, options
from cnncli.cli.console import Console, quiet_libraries, write_data
from cnncli.cli.options import ResultFormat
from cnncli.records.exporting import ExportResult, Input, Quantize, Target
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
        typer.Option("--output", "-o", metavar="FILE", help="The file to write.", show_default=False),
    ],
    target: Annotated[
        Target | None,
        typer.Option(
            "--target",
            help="Runtime that the file is for.  [default: that of FILE's ending: .onnx, .xml, .tflite, .pte or .mlpackage]",
            show_default=False,
        ),
    ] = None,
    input_: Annotated[
        Input | None,
        typer.Option(
            "--input",
            help="Input of the file: uint8 images of any size (N, H, W, C), or preprocessed float images (N, C, H, W).  "
            "[default: uint8 for onnx and openvino, float for the others]",
            show_default=False,
        ),
    ] = None,
    half: Annotated[
        bool,
        typer.Option(
            "--half", help="Convert to float16: half the size of float32 (onnx, openvino and coreml)."
        ),
    ] = False,
    quantize: Annotated[
        Quantize | None,
        typer.Option(
            "--quantize",
            help="Convert to integer arithmetic: a quarter of the size of float32 (onnx).",
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
    """Export a model as a file that runs without cnncli, with preprocessing and class names.

    One ONNX file unless --target or the file's ending says otherwise. `cnncli predict -m FILE.onnx` runs it. Those of the
    other targets are compared with predict, too, before they are written.

    \b
    Examples:
      cnncli export runs/photos -o photos.onnx --check photos/val
      cnncli export runs/photos -o int8.onnx --quantize int8 --calibrate photos/
      cnncli export runs/photos -o photos.xml --half
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet)
    image_size = options.image_size(img_size)
    with quiet_libraries(), console.spinner("exporting the network"):
        from cnncli.export.settings import ExportSettings

        settings = ExportSettings(
            output=output,
            requested_target=target,
            requested_input=input_,
            half=half,
            quantize=quantize,
            calibration=calibrate,
            check=tuple(check or ()),
            license=license_,
            overwrite=overwrite,
        )
        from cnncli.export.export import export_network, require_possible
        from cnncli.networks.reference import Reference
        from cnncli.prepare import prepare

        require_possible(settings)
        reference = Reference(model, weights, labels, pretrained=not no_pretrained, image_size=image_size)
        folder = prepare(reference, console, is_offline=offline, needs_classes=True)
        result = export_network(folder, settings, console)
    if format_ is ResultFormat.JSON:
        from dataclasses import asdict

        paths = {"file": str(result.file), "companions": [str(file) for file in result.companions]}
        write_data(json.dumps(asdict(result) | paths, indent=2) + "\n")
        return
    write_data(_text(result, "answers" if folder.card.tasks else "class"))


def _text(result: ExportResult, answer: str) -> str:
    """The result as lines; `answer` is what an image keeps if its prediction stays the same."""
    files = ", ".join(map(str, (result.file, *result.companions)))
    lines = [
        f"file        {files}, {size(result.bytes)} (the compiled network has {size(result.original_bytes)})",
        f"checked     {_comparison(result, answer)}",
    ]
    if cost := result.quantization:
        images = counted(cost.images, "image")
        lines.append(f"agreement   {percent(cost.agreement)} of {images} keep their {answer}")
        if cost.accuracy_before is not None and cost.accuracy_after is not None:
            before, after = percent(cost.accuracy_before), percent(cost.accuracy_after)
            lines.append(f"accuracy    {after} (before quantizing {before})")
    lines.append(f"license     {result.license or 'unknown; set it with --license'}")
    return "\n".join(lines) + "\n"


def _comparison(result: ExportResult, answer: str) -> str:
    """How far the file agrees with predict."""
    if result.agreement is None or result.max_difference is None:
        return "not compared with predict: its runtime does not exist on this system"
    checked = counted(result.checked_images, "image")
    return (
        f"{checked}: {percent(result.agreement)} keep their {answer}, "
        f"probabilities within {result.max_difference:.1e}"
    )
