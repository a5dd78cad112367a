"""`cnncli pull`: download and prepare networks for offline use."""

from typing import Annotated

import typer

from cnncli.cli import completion, options, prediction
from cnncli.cli.console import Console, error, quiet_libraries, write_data
from cnncli.errors import CnncliError, UsageError
from cnncli.networks.foreign import ForeignOptions, ResizeTo, ScoreKind
from cnncli.networks.normalization import Normalization, parse_normalization


def pull(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            autocompletion=completion.complete_published,
            help="Names of timm or torchvision, hf-hub:org/name, or ONNX files of other programs.",
            show_default=False,
        ),
    ],
    weights: options.Weights = None,
    labels: options.Labels = None,
    save_as: Annotated[
        str | None,
        typer.Option(
            "--save-as",
            metavar="NAME",
            help="Save the prepared network as NAME, for use with -m.",
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            "--classes", metavar="A,B,…|@FILE", help="For a CLIP network: names that become its classes."
        ),
    ] = None,
    prompt: prediction.Prompt = None,
    img_size: options.ImageSize = None,
    normalize: Annotated[
        Normalization | None,
        typer.Option(
            "--normalize",
            metavar="TEXT",
            parser=parse_normalization,
            help="Normalisation of pixels for an ONNX file: 0..1, -1..1, 0..255, imagenet, or 'mean 0.5; std 0.25'.",
            show_default=False,
        ),
    ] = None,
    resize: Annotated[
        ResizeTo | None,
        typer.Option(
            "--resize",
            metavar="shortest|squash|fit|INT",
            parser=ResizeTo,
            help="How images are resized for an ONNX file: the shorter side to --img-size or to INT pixels, then cropped; to exactly "
            "--img-size; or with a border.",
            show_default=False,
        ),
    ] = None,
    scores: Annotated[
        ScoreKind | None,
        typer.Option("--scores", help="What an ONNX file gives for each class.", show_default=False),
    ] = None,
    offline: options.Offline = False,
    quiet: options.Quiet = False,
) -> None:
    """Download networks and prepare them, so that they can be used at once and offline.

    Prints each network's name and model folder, tab-separated; the folder can be copied to another machine
    and used there by its path.

    \b
    Examples:
      cnncli pull resnet50 torchvision/squeezenet1_1
      cnncli pull resnet18 --weights mine.safetensors --labels classes.txt --save-as flowers
      cnncli pull vit_base_patch32_clip_224.laion2b --classes 'lemon, orange, bell pepper' --save-as fruit
      cnncli pull net.onnx --normalize imagenet --resize 256 --labels classes.txt --save-as theirs
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet)
    size = options.image_size(img_size)
    single_model_options = {
        "--weights": weights,
        "--labels": labels,
        "--save-as": save_as,
        "--classes": classes,
    }
    if len(models) > 1 and (
        invalid := [option for option, value in single_model_options.items() if value is not None]
    ):
        raise UsageError(f"{', '.join(invalid)}: only for one model at a time", "call pull once for each")
    with quiet_libraries(), console.spinner("preparing"):
        from cnncli.networks.answer_classes import choose_classes, read_class_list
        from cnncli.networks.prepared import require_free_name
        from cnncli.networks.reference import Reference
        from cnncli.prepare import prepare

        if save_as is not None:
            require_free_name(save_as)
        foreign = ForeignOptions(normalize, resize, scores)
        names = None if classes is None else read_class_list(classes)
        code = 0
        for model in models:
            try:
                reference = Reference(model, weights, labels, image_size=size, foreign=foreign)
                reference, restriction = choose_classes(reference, names, prompt, console)
                if restriction:
                    raise UsageError(
                        f"--classes: {model} has no text tower, but classes of its own",
                        "omit --classes here; predict and sort have it, too",
                    )
                folder = prepare(reference, console, is_offline=offline, save_as=save_as)
                write_data(f"{model}\t{folder.path}\n")
            except CnncliError as problem:  # continue with the others
                error(problem)
                code = max(code, problem.exit_code)
    if code:
        raise typer.Exit(code)
