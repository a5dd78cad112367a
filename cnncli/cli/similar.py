"""`cnncli similar`: nearest neighbours and near-duplicates in feature space."""

import enum
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cnncli.cli import completion, options, pictures
from cnncli.cli.console import Console, is_terminal, quiet_libraries, terminal_width, write_data
from cnncli.cli.inputs import Inputs
from cnncli.cli.progress import image_bars
from cnncli.errors import InputError, OutputError, UsageError
from cnncli.files.output_path import is_inside
from cnncli.images.tar_archive import is_archive
from cnncli.records.choices import DistanceMetric
from cnncli.records.defaults import PATH_COLUMN
from cnncli.records.engines import EngineName, EngineOptions, Precision
from cnncli.text import counted, is_url, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cnncli.features.extract import Extractor
    from cnncli.records.pictures import Figure
    from cnncli.records.predictions import Unreadable
    from cnncli.retrieval.collection import Collection

T = TypeVar("T")


class SimilarFormat(enum.StrEnum):
    """Output format of neighbours."""

    TABLE = "table"
    TSV = "tsv"
    JSON = "json"


_DUPLICATE_DISTANCE = 0.1
"""Default of `--within`, a cosine distance. Of a hundred photos that were scaled and recompressed, cropped by 5 % or mirrored,
copies were within 0.08 of the original with pocket, and different photos beyond 0.24. With other networks different photos may
be as close as 0.15, and drawings of the same thing closer than 0.1."""


def _parse_collection(word: str) -> Path:
    """The folder or file that is searched.

    Raises:
        UsageError: it is empty, an archive, or on a server.
    """
    if is_url(word) or is_archive(word):
        raise UsageError(
            f"{word} is not a folder on this machine",
            f"first write its embeddings: cnncli features {quote(word)} -o features.npz",
        )
    return options.parse_path(word)


def similar(
    queries: options.Inputs = None,
    among: Annotated[
        Path | None,
        typer.Option(
            "--in",
            metavar="FOLDER|FILE",
            parser=_parse_collection,
            help="Images to search: a folder, whose embeddings are kept in the cache (CNNCLI_HOME) and updated each time, or "
            "a file that `cnncli features` wrote.",
        ),
    ] = None,
    duplicates: Annotated[
        Path | None,
        typer.Option(
            "--duplicates",
            metavar="FOLDER|FILE",
            parser=_parse_collection,
            help="List groups of near-duplicates in this folder or file instead of searching it.",
        ),
    ] = None,
    within: Annotated[
        float | None,
        typer.Option(
            "--within",
            min=0.0,
            metavar="X",
            help=f"Largest cosine distance between duplicates.  [default: {_DUPLICATE_DISTANCE}]",
        ),
    ] = None,
    topk: Annotated[
        int | None,
        typer.Option(
            "--topk", "-k", metavar="INT", min=1, help="Number of neighbours per query.  [default: 5]"
        ),
    ] = None,
    metric: Annotated[
        DistanceMetric | None,
        typer.Option("--metric", help="Distance between embeddings.  [default: euclidean]"),
    ] = None,
    model: options.Model = None,
    layer: Annotated[
        str | None,
        typer.Option(
            "--layer",
            metavar="NAME",
            autocompletion=completion.complete_layer,
            help="Compare the outputs of this layer, computed by torch.  [default: the embedding]",
        ),
    ] = None,
    format_: Annotated[
        SimilarFormat | None,
        typer.Option("--format", "-f", help="Output format.  [default: table on a terminal, tsv in a pipe]"),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--sheet",
            metavar="FILE.png",
            help="Also save a picture of each query with its neighbours, or of each group of near-duplicates.",
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    weights: options.Weights = None,
    no_pretrained: options.NoPretrained = False,
    img_size: options.ImageSize = None,
    files_from: options.FilesFrom = None,
    null: options.NullSeparated = False,
    path_column: options.PathColumn = PATH_COLUMN,
    image_column: options.ImageColumn = None,
    max_pixels: options.MaxPixels = None,
    device: options.Device = "auto",
    engine: options.Engine = EngineName.AUTO,
    precision: options.PrecisionOption = Precision.FP32,
    batch_size: options.BatchSize = None,
    workers: options.Workers = None,
    offline: options.Offline = False,
    quiet: options.Quiet = False,
) -> None:
    """Find the nearest neighbours of images in the feature space of a network, or groups of near-duplicates.

    \b
    Examples:
      cnncli similar photo.jpg --in photos/
      cnncli similar new/ --in photos/ -m resnet50 --sheet neighbours.png
      cnncli similar photo.jpg --in features.npz --metric cosine -f json
      cnncli similar --duplicates photos/ --sheet duplicates.png
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet)
    options.image_size(img_size)  # validated before anything heavy is imported
    query_options = {
        "images": queries, "--files-from": files_from, "--in": among, "-k": topk, "--metric": metric
    }  # fmt: skip
    if duplicates and (unused := [name for name, value in query_options.items() if value]):
        raise UsageError(f"{', '.join(unused)}: no effect with --duplicates, which takes no queries")
    if within is not None and not duplicates:
        raise UsageError("--within has no effect without --duplicates", "-k sets the number of neighbours")
    collection_path = among or duplicates
    if not collection_path:
        raise UsageError("no images to search", "add --in FOLDER, or --in features.npz")
    inputs = (
        Inputs()
        if duplicates
        else Inputs.from_options(
            queries or [], files_from, null=null, path_column=path_column, image_column=image_column
        )
    )
    destination = pictures.PictureDestination.resolve_sheet(sheet, overwrite=overwrite) if sheet else None
    if sheet and is_inside(sheet, collection_path):
        raise OutputError(f"{sheet} is in the folder that is searched", "write it somewhere else")
    format_ = format_ or (SimilarFormat.TABLE if is_terminal(sys.stdout) else SimilarFormat.TSV)
    result_output = _Output(format_, destination, console)
    with quiet_libraries(), console.spinner("comparing images"):
        from cnncli.features.extract import Extractor
        from cnncli.inference import InferenceOptions
        from cnncli.prepare import prepare
        from cnncli.records.defaults import MAX_PIXELS

        reference = options.reference(
            model, console, weights=weights, no_pretrained=no_pretrained, img_size=img_size
        )
        inference = InferenceOptions(
            max_pixels=max_pixels or MAX_PIXELS,
            engine=EngineOptions(engine, device, precision),
            batch_size=batch_size,
            workers=workers,
        )
        extractor = Extractor(prepare(reference, console, is_offline=offline), inference, console, layer)
        collection = _collection(collection_path, extractor, console)
        if duplicates:
            limit = _DUPLICATE_DISTANCE if within is None else within
            unreadable = _print_groups(collection, limit, result_output)
        else:
            unreadable = _print_neighbours(
                inputs, collection, extractor, topk or 5, metric or DistanceMetric.EUCLIDEAN, result_output
            )
    for item in unreadable:
        console.warning(f"{item.path}: {item.reason}")
    if unreadable:
        raise typer.Exit(options.UNREADABLE_INPUTS)


@dataclass(frozen=True, slots=True)
class _Output:
    """Where results go: to standard output in some format, and into a picture if one is wanted."""

    format: SimilarFormat
    sheet: pictures.PictureDestination | None
    console: Console

    def print(
        self,
        results: T,
        *,
        table: "Callable[[T, int | None], str]",
        tsv: "Callable[[T], str]",
        json: "Callable[[T], str]",
    ) -> None:
        """Print results with the function for the format."""
        match self.format:
            case SimilarFormat.TABLE:
                text = table(results, terminal_width())
            case SimilarFormat.TSV:
                text = tsv(results)
            case SimilarFormat.JSON:
                text = json(results)
        write_data(text, is_last=not self.sheet)

    def draw(self, figure: "Callable[[Sequence[T], str], Figure]", rows: "Sequence[T]", title: str) -> None:
        """Draw results with a title."""
        if self.sheet and rows:
            self.sheet.write(figure(rows, title), self.console)
        elif self.sheet:
            self.console.notice("no picture: there is nothing to draw")


def _collection(path: Path, extractor: "Extractor", console: Console) -> "Collection":
    from cnncli.retrieval.collection import file_collection, folder_collection

    if path.is_file():
        return file_collection(path, extractor, console)
    if not path.is_dir():
        raise InputError(f"{path}: no such folder or file")
    return folder_collection(path, extractor, image_bars(console))


def _print_groups(collection: "Collection", within: float, output: _Output) -> "Sequence[Unreadable]":
    """Print and draw the groups of near-duplicates; returns the unreadable images."""
    from cnncli.render import neighbours as render
    from cnncli.retrieval.figures import groups_figure
    from cnncli.retrieval.similar import duplicates

    groups = duplicates(collection, within, DistanceMetric.COSINE)
    output.print(groups, table=render.groups_table, tsv=render.groups_tsv, json=render.groups_json)
    title = (
        f"{counted(len(groups), 'group')} of near-duplicates in {counted(len(collection.paths), 'image')}, "
        f"within a cosine distance of {within:g}"
    )
    output.console.notice(title)
    output.draw(groups_figure, groups, title)
    return collection.unreadable


def _print_neighbours(
    inputs: Inputs,
    collection: "Collection",
    extractor: "Extractor",
    topk: int,
    metric: DistanceMetric,
    output: _Output,
) -> "Sequence[Unreadable]":
    """Print and draw the nearest neighbours of each input; returns the unreadable images."""
    from cnncli.records.predictions import Unreadable
    from cnncli.render import neighbours as render
    from cnncli.retrieval.figures import figure
    from cnncli.retrieval.similar import similar as find_neighbours

    results = find_neighbours(inputs.sources(output.console), collection, extractor, topk, metric)
    if not results:
        raise inputs.no_images_error()
    output.print(
        results, table=render.neighbours_table, tsv=render.neighbours_tsv, json=render.neighbours_json
    )
    images = counted(len(collection.paths), "image")
    distance = "Euclidean" if metric is DistanceMetric.EUCLIDEAN else "cosine"
    title = f"Nearest neighbours among {images} ({distance} distance, {extractor.source})"
    readable = [item for item in results if not isinstance(item, Unreadable)]
    output.draw(figure, readable, title)
    return [*collection.unreadable, *(item for item in results if isinstance(item, Unreadable))]
