"""`cnncli pull`: download and prepare networks for offline use."""

from typing import Annotated

import typer

from cnncli.cli import completion, options
from cnncli.cli.console import Console, error, quiet_libraries, write_data
from cnncli.errors import CnncliError, UsageError


def pull(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            autocompletion=completion.complete_published,
            help="Names of timm or torchvision, or hf-hub:org/name.",
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
    img_size: options.ImageSize = None,
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
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet)
    size = options.image_size(img_size)
    single_model_options = {"--weights": weights, "--labels": labels, "--save-as": save_as}
    if len(models) > 1 and (
        invalid := [option for option, value in single_model_options.items() if value is not None]
    ):
        raise UsageError(f"{', '.join(invalid)}: only for one model at a time", "call pull once for each")
    with quiet_libraries(), console.spinner("preparing"):
        from cnncli.networks.prepared import require_free_name
        from cnncli.networks.reference import Reference
        from cnncli.prepare import prepare

        if save_as is not None:
            require_free_name(save_as)
        code = 0
        for model in models:
            try:
                reference = Reference(model, weights, labels, image_size=size)
                folder = prepare(reference, console, is_offline=offline, save_as=save_as)
                write_data(f"{model}\t{folder.path}\n")
            except CnncliError as problem:  # continue with the others
                error(problem)
                code = max(code, problem.exit_code)
    if code:
        raise typer.Exit(code)
