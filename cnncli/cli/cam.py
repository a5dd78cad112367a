"""`cnncli cam`: class activation maps."""

from pathlib import Path
from typing import Annotated

import typer

from cnncli.cli import completion, inspection, options, pictures
from cnncli.cli.console import Console, quiet_libraries
from cnncli.cli.option_groups import NetworkOptions, takes_groups
from cnncli.errors import UsageError
from cnncli.records.choices import CamMethod
from cnncli.records.defaults import or_default


@takes_groups
def cam(
    image: inspection.Image,
    model: options.Model = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            metavar="NAME",
            autocompletion=completion.complete_class,
            help="Class to explain, by name, WordNet ID or index; `TASK:CLASS` where tasks share a name; repeatable.  "
            "[default: the most probable class, or all that a model with tasks predicts]",
        ),
    ] = None,
    method: Annotated[
        CamMethod,
        typer.Option("--method", help="Class activation method; eigencam ignores the class."),
    ] = CamMethod.GRADCAM,
    layer: Annotated[
        str | None,
        typer.Option(
            "--layer",
            metavar="NAME",
            autocompletion=completion.complete_layer,
            help="Layer whose feature maps are weighted.  [default: the last that influences the prediction]",
        ),
    ] = None,
    *,
    network: NetworkOptions,
    labels: options.Labels = None,
    picture: pictures.PictureOptions,
    quiet: options.Quiet = False,
) -> None:
    """Draw class activation maps: the parts of an image that support a class (Grad-CAM and others).

    \b
    Examples:
      cnncli cam photo.jpg
      cnncli cam photo.jpg --class orange --class lemon
      cnncli cam photo.jpg -m resnet50 --method layercam -o why.png
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet)
    if classes and method is CamMethod.EIGENCAM:
        raise UsageError(
            "--class has no effect with --method eigencam, which ignores the class", "omit one of them"
        )
    destination = picture.destination(pictures.stem(image), Path(or_default(model)).name, "cam")
    source = inspection.read_source(image)
    with quiet_libraries(), console.spinner("drawing the class activation maps"):
        loaded = inspection.load_model(model, network, console, labels=labels, needs_classes=True)
        from cnncli.networks.dependencies import explain_missing_packages

        with explain_missing_packages("class activation maps"):
            from cnncli.inspection.network import cam as activation
        from cnncli.inspection.network.loading import load_image, load_photograph
        from cnncli.networks.class_names import class_indices

        indices = class_indices(loaded.card, classes or ())
        input_image = load_image(source, loaded.card)
        indices = indices or activation.predicted_indices(loaded, input_image)
        name = layer or activation.target_layer(loaded, input_image)
        photograph = load_photograph(source, loaded.card)
        destination.write(activation.figure(loaded, input_image, photograph, name, indices, method), console)
