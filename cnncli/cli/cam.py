"""`cnncli cam`: what in an image speaks for a class."""

from pathlib import Path
from typing import Annotated

import typer

from cnncli.cli import looking, options, pictures
from cnncli.cli.console import Console, quiet_libraries
from cnncli.errors import UsageError
from cnncli.records.choices import Method
from cnncli.records.defaults import or_default


def cam(
    image: looking.Image,
    model: options.Model = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            metavar="NAME",
            help="A class by name, WordNet identifier or index; may be given several times.  [default: the most probable]",
        ),
    ] = None,
    method: Annotated[
        Method,
        typer.Option("--method", help="eigencam looks at the maps alone, whatever the class."),
    ] = Method.GRADCAM,
    layer: Annotated[
        str | None,
        typer.Option(
            "--layer",
            metavar="NAME",
            help="Whose maps are weighed.  [default: the last that the answer depends on]",
        ),
    ] = None,
    weights: options.Weights = None,
    labels: options.Labels = None,
    no_pretrained: options.NoPretrained = False,
    img_size: options.ImageSize = None,
    output: pictures.Output = None,
    show: pictures.Show = False,
    rough: pictures.Rough = False,
    overwrite: options.Overwrite = False,
    offline: options.Offline = False,
    quiet: options.Quiet = False,
) -> None:
    """Draw what in an image speaks for a class: class activation maps, by pytorch-grad-cam.

    \b
    Examples:
      cnncli cam photo.jpg
      cnncli cam photo.jpg --class orange --class lemon
      cnncli cam photo.jpg -m resnet50 --method layercam -o why.png
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet)
    if classes and method is Method.EIGENCAM:
        raise UsageError(
            "--class has no effect with --method eigencam, which looks at the maps alone",
            "leave one of them out",
        )
    place = pictures.Destination.checked(
        output,
        pictures.file_name(pictures.stem(image), Path(or_default(model)).name, "cam"),
        overwrite=overwrite,
        show=show,
        rough=rough,
    )
    with quiet_libraries():
        network = looking.opened(
            model,
            weights,
            labels,
            img_size,
            console,
            pretrained=not no_pretrained,
            offline=offline,
            needs_classes=True,
        )
        from cnncli.networks.dependencies import explain_missing_packages

        with explain_missing_packages("class activation"):
            from cnncli.inspection import cam as maps
        from cnncli.inspection.network import seen

        wanted = maps.class_indices(network.card, classes or ())
        looked_at = seen(looking.image(image), network.card)
        wanted = wanted or [int(maps.probabilities(network, looked_at).argmax())]
        name = layer or maps.target_layer(network, looked_at)
        place.write(maps.plate(network, looked_at, name, wanted, method), console)
