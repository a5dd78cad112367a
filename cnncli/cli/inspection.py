"""Shared by `cam`, `filters`, `maps` and `receptive`: loading the model, reading the image."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli.console import Console
from cnncli.cli.option_groups import NetworkOptions
from cnncli.cli.options import image_size
from cnncli.errors import InputError, UsageError
from cnncli.images.file_names import STDIN, is_image_name
from cnncli.images.in_memory import InMemory
from cnncli.images.sources import image_source
from cnncli.records.defaults import or_default
from cnncli.records.predictions import ImageSource, UnreadableError
from cnncli.text import quote

if TYPE_CHECKING:
    from cnncli.inspection.network.loading import LoadedModel

Image = Annotated[
    str,
    typer.Argument(
        metavar="IMAGE", help="An image file, or - for one on standard input.", show_default=False
    ),
]


def load_model(
    model: str | None,
    network: NetworkOptions,
    console: Console,
    *,
    labels: Path | None = None,
    needs_classes: bool = False,
) -> "LoadedModel":
    """Load the network that the options name, with torch; the default model for None.

    Raises:
        CnncliError: there is no such network, or it has no layers to inspect.
    """
    from cnncli.networks.dependencies import explain_missing_packages
    from cnncli.networks.reference import Reference
    from cnncli.prepare import prepare

    reference = Reference(
        or_default(model),
        network.weights,
        labels,
        pretrained=not network.no_pretrained,
        image_size=image_size(network.img_size),
    )
    folder = prepare(reference, console, is_offline=network.offline, needs_classes=needs_classes)
    with explain_missing_packages(f"inspecting {folder.card.name}"):
        from cnncli.inspection.network import loading

        return loading.load_model(folder)


def read_source(path: str) -> ImageSource:
    """An image by its path; `-` reads it from standard input. To be called before torch is imported, which takes seconds.

    Raises:
        UsageError: the path is empty, or that of a folder.
        InputError: it is no file that can be opened.
    """
    if not path:
        raise UsageError("the image path is empty", "give a file, or - for standard input")
    if os.path.isdir(path):  # noqa: PTH112 - False for a name that is too long
        images = (entry.path for entry in os.scandir(path) if is_image_name(entry.name))
        example = quote(min(images, default=os.path.join(path, "IMAGE.jpg")))  # noqa: PTH118
        raise UsageError(f"{path} is a folder", f"give one image, e.g. {example}")
    if path != STDIN:
        try:
            image_source(path).open().close()
        except FileNotFoundError:
            raise InputError(f"{path}: no such file") from None
        except UnreadableError as error:
            raise InputError(f"{path}: {error}") from None
    data = sys.stdin.buffer.read() if path == STDIN and sys.stdin else None
    return image_source(path) if data is None else InMemory(path, data)
