"""`cnncli sort`: put images into folders by their predicted classes."""

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli import options, prediction
from cnncli.cli.console import Console, is_pipe, quiet_libraries, write_data
from cnncli.cli.inputs import Inputs
from cnncli.cli.option_groups import ComputeOptions, InputListOptions, NetworkOptions, takes_groups
from cnncli.cli.progress import image_progress
from cnncli.cli.undo import Undo, undo_log
from cnncli.errors import OutputError, UsageError
from cnncli.records.predictions import UNKNOWN, Record, Unreadable
from cnncli.text import counted, path_text, quote, tsv_text

if TYPE_CHECKING:
    from cnncli.predict import Predictor
    from cnncli.sorting.sort import Placement, Sorter, Transfer


@takes_groups
def sort(
    context: typer.Context,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT...",
            help="Image files, folders (searched recursively), or globs.",
            show_default=False,
        ),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(
            "--into",
            metavar="DIR",
            help="Folder to put the images into, each in a folder of its class.",
            show_default=False,
        ),
    ] = None,
    hardlink: Annotated[
        bool, typer.Option("--hardlink", help="Make hard links; the default is relative symbolic links.")
    ] = False,
    copy: Annotated[bool, typer.Option("--copy", help="Copy the images.")] = False,
    move: Annotated[
        bool, typer.Option("--move", help="Move the images; DIR/moves.jsonl says where each one was.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Write nothing; list each image, where it would go, and the probability."
        ),
    ] = False,
    undo: Undo = None,
    model: options.Model = None,
    *,
    network: NetworkOptions,
    labels: options.Labels = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            min=0,
            max=1,
            metavar="P",
            help=f"Confidence threshold; images with a less probable class go to {UNKNOWN}/.  [default: 0]",
        ),
    ] = None,
    answers: prediction.ClassOptions,
    tta: options.Tta = False,
    paths: InputListOptions,
    exact_decode: options.ExactDecode = False,
    computation: ComputeOptions,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Sort images into folders by their predicted classes.

    DIR gets a folder for each class, with links to its images. An image whose name is taken gets a number; nothing is replaced. An
    image that cannot be read is reported, and stays where it is.

    \b
    Examples:
      cnncli sort photos/ --into sorted/ --dry-run
      cnncli sort photos/ --into sorted/ -m runs/flowers --threshold 0.8
      cnncli sort photos/ --into sorted/ -m vit_base_patch32_clip_224.laion2b --classes 'dog, cat, something else'
      cnncli sort photos/ --into sorted/ --move
      cnncli sort --undo sorted/moves.jsonl
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet, verbose=verbose)
    if undo:
        _require_alone(context)
        if not undo_log(undo, console):
            raise typer.Exit(options.UNREADABLE_INPUTS)
        return
    images = paths.inputs(inputs)
    if into is None:
        raise UsageError("--into is missing", "add --into DIR, the folder to put the images into")
    transfer = _transfer(hardlink=hardlink, copy=copy, move=move)
    with quiet_libraries(), console.spinner("opening the network"):
        from cnncli.predict import Predictor
        from cnncli.prepare import prepare
        from cnncli.sorting.sort import Sorter
        from cnncli.sorting.target import require_sortable

        require_sortable(images.arguments, into, transfer)
        settings = answers.settings(1, threshold, computation.inference(tta=tta, exact_decode=exact_decode))
        reference = network.reference(model, console, labels)
        reference, settings = settings.choose_classes(reference, answers.prompt, console)
        folder = prepare(reference, console, is_offline=network.offline, needs_classes=True)
        predictor = Predictor(folder, settings, console)
        sorter = Sorter(into, transfer, predictor.layout)
    console.detail(str(predictor))
    with quiet_libraries():
        unreadable = _run(predictor, images, sorter, console, is_dry=dry_run)
    if unreadable:
        raise typer.Exit(options.UNREADABLE_INPUTS)


def _require_alone(context: typer.Context) -> None:
    """Check that --undo is the only option that changes what is done."""
    for parameter in context.command.params:
        name = parameter.name or ""
        if name not in {"undo", "quiet", "verbose"} and options.is_typed(context, name):
            raise UsageError("--undo takes nothing else", "cnncli sort --undo LOG")


def _transfer(*, hardlink: bool, copy: bool, move: bool) -> "Transfer":
    """How images get into their folders.

    Raises:
        UsageError: there is more than one way.
    """
    from cnncli.sorting.sort import Transfer

    chosen = {Transfer.HARDLINK: hardlink, Transfer.COPY: copy, Transfer.MOVE: move}
    ways = [transfer for transfer, is_chosen in chosen.items() if is_chosen]
    if len(ways) > 1:
        raise UsageError(f"--{ways[0]} and --{ways[1]} cannot both be done", "choose one of them")
    return ways[0] if ways else Transfer.LINK


def _run(predictor: "Predictor", images: Inputs, sorter: "Sorter", console: Console, *, is_dry: bool) -> int:
    """Sort the images and report; returns the number of inputs that could not be read."""
    from cnncli.sorting.sort import local_images, sort_images

    summary = _Summary(sorter)
    hides_progress = is_dry and is_pipe(sys.stdout)
    with (
        sorter,
        image_progress(console, images.count, 0, is_hidden=hides_progress) as advance,
        contextlib.closing(predictor.predict(local_images(images.sources(console)))) as records,
    ):
        try:
            for entry in sort_images(_counted(records, advance), sorter, is_dry=is_dry):
                summary.add(entry)
                if isinstance(entry, Unreadable):
                    console.warning(f"{entry.path}: {entry.reason}")
                elif is_dry:
                    write_data(_row(entry))
        except (KeyboardInterrupt, OutputError):
            summary.report(console)
            raise
    if not summary.total:
        raise images.no_images_error()
    summary.report(console, is_dry=is_dry)
    return summary.unreadable


def _counted(records: Iterable[Record], advance: Callable[[], None]) -> Iterator[Record]:
    for record in records:
        advance()
        yield record


def _row(placement: "Placement") -> str:
    """An image, where it would go, and the probability of its class, as a line of tsv."""
    paths = (tsv_text(path_text(str(path))) for path in (placement.source, placement.target))
    return "\t".join([*paths, f"{placement.probability:.6f}"]) + "\n"


class _Summary:
    """What has become of the images so far."""

    def __init__(self, sorter: "Sorter") -> None:
        self._sorter = sorter
        self._images: Counter[str] = Counter()
        self._already = 0
        self.unreadable = 0

    def add(self, entry: "Placement | Unreadable") -> None:
        """Count an image."""
        if isinstance(entry, Unreadable):
            self.unreadable += 1
        else:
            self._images[entry.target.parent.name] += 1
            self._already += entry.is_there

    @property
    def total(self) -> int:
        """Number of inputs."""
        return self._images.total() + self.unreadable

    def report(self, console: Console, *, is_dry: bool = False) -> None:
        """Report how many images are where, and how to undo that."""
        parts = [f"{counted(self._images.total(), 'image')} in {counted(len(self._images), 'folder')}"]
        if self._images[UNKNOWN]:
            parts.append(f"{self._images[UNKNOWN]:,} of them in {UNKNOWN}/")
        if self._already:
            parts.append(f"{self._already:,} were there already")
        if self.unreadable:
            parts.append(f"{self.unreadable:,} of {counted(self.total, 'image')} could not be read")
        start = "nothing written; " if is_dry else ""
        console.notice(f"{start}{self._sorter.into}: {', '.join(parts)}")
        if self._sorter.log:
            console.notice(f"to move them back: cnncli sort --undo {quote(self._sorter.log)}")
