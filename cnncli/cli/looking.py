"""What the commands that look into a network have in common: the network opened, the image as it sees it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli.console import Console
from cnncli.cli.options import image_size
from cnncli.errors import UsageError
from cnncli.images.in_memory import InMemory
from cnncli.images.sources import STDIN, image_source
from cnncli.records.defaults import or_default
from cnncli.records.predictions import ImageSource

if TYPE_CHECKING:
    from cnncli.inspection.network import Opened

Image = Annotated[
    str,
    typer.Argument(metavar="IMAGE", help="An image file; - is one on standard input.", show_default=False),
]


def opened(
    model: str | None,
    weights: Path | None,
    labels: Path | None,
    img_size: str | None,
    console: Console,
    *,
    pretrained: bool,
    offline: bool,
    needs_classes: bool = False,
) -> "Opened":
    """The network that a reference leads to, with torch; the default model where none is named.

    Raises:
        CnncliError: it leads nowhere, or to one that cannot be looked into.
    """
    from cnncli.networks.dependencies import explain_missing_packages
    from cnncli.networks.reference import Reference
    from cnncli.prepare import prepare

    size = image_size(img_size)
    reference = Reference(or_default(model), weights, labels, pretrained=pretrained, image_size=size)
    folder = prepare(reference, console, is_offline=offline, needs_classes=needs_classes)
    with explain_missing_packages(f"looking into {folder.card.name}"):
        from cnncli.inspection.network import opened as open_network

        return open_network(folder)


def image(word: str) -> ImageSource:
    """An image by its path; `-` is on standard input.

    Raises:
        UsageError: the path is empty.
    """
    if not word:
        raise UsageError("the name of the image is empty", "name a file, or - for standard input")
    data = sys.stdin.buffer.read() if word == STDIN and sys.stdin else None
    return image_source(word) if data is None else InMemory(word, data)
