"""`cnncli export`: a network in one ONNX file, preprocessing and class names within."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cnncli.cli import options
from cnncli.cli.console import Console, quiet_libraries, write_data
from cnncli.cli.options import ResultFormat
from cnncli.records.exporting import Input, Quantize
from cnncli.text import counted


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="As for predict: a run, a model folder, a name.", show_default=False
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
            help="uint8 takes images of any size (N, H, W, C); float takes preprocessed ones (N, C, H, W).",
        ),
    ] = Input.UINT8,
    half: Annotated[
        bool, typer.Option("--half", help="Weights and arithmetic in float16: half the bytes of float32.")
    ] = False,
    quantize: Annotated[
        Quantize | None,
        typer.Option(
            "--quantize",
            help="Arithmetic in whole numbers: a quarter of the bytes of float32.",
            show_default=False,
        ),
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            "--calibrate",
            metavar="DIR",
            help="For --quantize: some hundred images of the kind that it will see. Half of them, or the val or test split, say what "
            "it costs.",
        ),
    ] = None,
    check: Annotated[
        list[Path] | None,
        typer.Option(
            "--check",
            metavar="PATH",
            help="An image or a folder on which its answers are compared with predict's; else two drawn ones are taken.",
            show_default=False,
        ),
    ] = None,
    license_: Annotated[
        str | None,
        typer.Option(
            "--license", metavar="TEXT", help="Of the weights; that of timm's is known.", show_default=False
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    format_: Annotated[
        ResultFormat, typer.Option("--format", "-f", help="How the result is told on standard output.")
    ] = ResultFormat.TABLE,
    weights: options.Weights = None,
    labels: options.Labels = None,
    no_pretrained: options.NoPretrained = False,
    img_size: options.ImageSize = None,
    offline: options.Offline = False,
    quiet: options.Quiet = False,
) -> None:
    """Write a network as one ONNX file that runs without cnncli, preprocessing and class names within.

    `cnncli predict -m FILE.onnx` takes it, too.

    \b
    Examples:
      cnncli export runs/photos -o photos.onnx --check photos/val
      cnncli export runs/photos -o int8.onnx --quantize int8 --calibrate photos/
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet)
    size = options.image_size(img_size)
    with quiet_libraries():
        from cnncli.export import ExportSettings
        from cnncli.export import export as write
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
        reference = Reference(model, weights, labels, pretrained=not no_pretrained, image_size=size)
        found = write(prepare(reference, console, is_offline=offline, needs_classes=True), settings, console)
    if format_ is ResultFormat.JSON:
        from dataclasses import asdict

        write_data(json.dumps(asdict(found) | {"file": str(found.file)}, indent=2) + "\n")
        return
    same = f"{100 * found.agreeing:.1f} % get the same class"
    lines = [
        f"file        {found.file}, {found.bytes / 1e6:.1f} MB (the compiled network has {found.former / 1e6:.1f} MB)",
        f"checked     {counted(found.checked, 'image')}: probabilities within {found.difference:.1e} of predict's, {same}",
    ]
    if cost := found.cost:
        lines.append(
            f"{'cost':<12}{100 * cost.agreeing:.1f} % of {counted(cost.images, 'image')} get the same class as before"
        )
        if cost.before is not None and cost.after is not None:
            lines.append(
                f"{'accuracy':<12}{100 * cost.after:.1f} % of these, before {100 * cost.before:.1f} %"
            )
    lines.append(f"license     {found.license or 'not known; --license says it'}")
    write_data("\n".join(lines) + "\n")
