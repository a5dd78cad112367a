"""`cnncli similar`: the images nearest to others in feature space."""

import enum
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli import options, pictures
from cnncli.cli.console import Console, is_terminal, quiet_libraries, write_data
from cnncli.cli.inputs import Inputs
from cnncli.cli.progress import image_bars
from cnncli.errors import InputError, OutputError, UsageError
from cnncli.records.choices import DistanceMetric
from cnncli.records.engines import EngineName, EngineOptions, Precision
from cnncli.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnncli.features.extract import Extractor
    from cnncli.records.predictions import Unreadable
    from cnncli.retrieval.collection import Collection


class SimilarFormat(enum.StrEnum):
    """How neighbours are written."""

    TABLE = "table"
    TSV = "tsv"
    JSON = "json"


_NEARLY = 0.1
"""Largest cosine distance of two images that are taken for one. Of a hundred photographs that were scaled and recompressed,
cropped by a twentieth or mirrored, copies lay within 0.08 of each other with pocket, and different ones beyond 0.24; with other
networks different ones may be as near as 0.15, and drawings of one thing nearer than this."""


def similar(
    queries: options.Inputs = None,
    among: Annotated[
        Path | None,
        typer.Option(
            "--in",
            metavar="FOLDER|FILE.npz",
            parser=options.named,
            help="Where to look: a folder of images, whose embeddings are kept in it and brought up to date each time; or a "
            "file that `cnncli features` wrote.",
        ),
    ] = None,
    duplicates: Annotated[
        Path | None,
        typer.Option(
            "--duplicates",
            metavar="FOLDER|FILE.npz",
            parser=options.named,
            help="Instead: groups of images that are nearly the same.",
        ),
    ] = None,
    within: Annotated[
        float | None,
        typer.Option(
            "--within",
            min=0.0,
            metavar="X",
            help=f"Largest cosine distance of duplicates.  [default: {_NEARLY}]",
        ),
    ] = None,
    topk: Annotated[
        int | None,
        typer.Option("--topk", "-k", metavar="INT", min=1, help="Neighbours of each image.  [default: 5]"),
    ] = None,
    metric: Annotated[
        DistanceMetric | None,
        typer.Option("--metric", help="How far is far, in the last hidden layer.  [default: euclidean]"),
    ] = None,
    model: options.Model = None,
    layer: Annotated[
        str | None,
        typer.Option("--layer", metavar="NAME", help="Compare what comes out of this layer, by torch."),
    ] = None,
    format_: Annotated[
        SimilarFormat | None,
        typer.Option("--format", "-f", help="A table on a terminal, tsv in a pipe, if left out."),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option("--sheet", metavar="FILE.png", help="Draw each image beside its neighbours."),
    ] = None,
    overwrite: options.Overwrite = False,
    weights: options.Weights = None,
    no_pretrained: options.NoPretrained = False,
    img_size: options.ImageSize = None,
    files_from: options.FilesFrom = None,
    null: options.NullSeparated = False,
    max_pixels: options.MaxPixels = None,
    device: options.Device = "auto",
    engine: options.Engine = EngineName.AUTO,
    precision: options.PrecisionOption = Precision.FP32,
    batch_size: options.BatchSize = None,
    workers: options.Workers = None,
    offline: options.Offline = False,
    quiet: options.Quiet = False,
) -> None:
    """Find the images that are nearest to others, or nearly the same, as a network sees them.

    \b
    Examples:
      cnncli similar photo.jpg --in photos/
      cnncli similar new/ --in photos/ -m resnet50 --sheet neighbours.png
      cnncli similar photo.jpg --in features.npz --metric cosine -f json
      cnncli similar --duplicates photos/
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet)
    options.image_size(img_size)  # refused here, before anything heavy is imported
    about_queries = {
        "images": queries, "--files-from": files_from, "--in": among, "--sheet": sheet, "-k": topk, "--metric": metric
    }  # fmt: skip
    if duplicates and (idle := [name for name, value in about_queries.items() if value]):
        raise UsageError(f"{', '.join(idle)}: no effect with --duplicates, which looks at one collection")
    if within is not None and not duplicates:
        raise UsageError("--within is about --duplicates", "-k says how many neighbours there are")
    place = among or duplicates
    if not place:
        raise UsageError("there is nowhere to look", "add --in FOLDER, or --in features.npz")
    asked = Inputs.checked([str(place)] if duplicates else queries or [], files_from, null=null)
    drawn = pictures.Destination.resolve_sheet(sheet, overwrite=overwrite) if sheet else None
    if sheet and place.is_dir() and sheet.resolve().is_relative_to(place.resolve()):
        raise OutputError(f"{sheet} would lie among the images that are searched", "write it somewhere else")
    format_ = format_ or (SimilarFormat.TABLE if is_terminal(sys.stdout) else SimilarFormat.TSV)
    with quiet_libraries():
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
        collection = _collection(place, extractor, console)
        if duplicates:
            unreadable = _show_groups(collection, _NEARLY if within is None else within, format_, console)
        else:
            wish = _Wish(topk or 5, metric or DistanceMetric.EUCLIDEAN, format_, drawn)
            unreadable = _show_neighbours(asked, collection, extractor, wish, console)
    for item in unreadable:
        console.warning(f"{item.path}: {item.reason}")
    if unreadable:
        raise typer.Exit(options.UNREADABLE_INPUTS)


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is to be found, and how it is shown."""

    topk: int
    metric: DistanceMetric
    format: SimilarFormat
    sheet: pictures.Destination | None


def _collection(place: Path, extractor: "Extractor", console: Console) -> "Collection":
    from cnncli.retrieval import collection

    if place.is_file():
        return collection.of_file(place, extractor)
    if not place.is_dir():
        raise InputError(f"{place}: no such folder or file")
    return collection.of_folder(place, extractor, image_bars(console))


def _show_groups(
    collection: "Collection", within: float, format_: SimilarFormat, console: Console
) -> "Sequence[Unreadable]":
    """Print the groups; what could not be looked at."""
    from cnncli.render import neighbours as render
    from cnncli.retrieval.similar import duplicates

    groups = duplicates(collection, within, DistanceMetric.COSINE)
    write_data(
        {
            SimilarFormat.JSON: render.groups_json,
            SimilarFormat.TSV: render.groups_tsv,
            SimilarFormat.TABLE: render.groups_table,
        }[format_](groups)
    )
    console.notice(f"{counted(len(groups), 'group')} among {counted(len(collection.paths), 'image')}")
    return collection.unreadable


def _show_neighbours(
    asked: Inputs, collection: "Collection", extractor: "Extractor", wish: _Wish, console: Console
) -> "Sequence[Unreadable]":
    """Print and draw the neighbours; what could not be looked at."""
    from cnncli.records.predictions import Unreadable
    from cnncli.render import neighbours as render
    from cnncli.retrieval.similar import similar as found_near

    found = found_near(asked.found(console), collection, extractor, wish.topk, wish.metric)
    if not found:
        raise asked.none_found()
    write_data(
        {
            SimilarFormat.JSON: render.neighbours_json,
            SimilarFormat.TSV: render.neighbours_tsv,
            SimilarFormat.TABLE: render.neighbours_table,
        }[wish.format](found)
    )
    near = [item for item in found if not isinstance(item, Unreadable)]
    if wish.sheet and near:
        from cnncli.retrieval.figures import figure

        told = f"the nearest of {counted(len(collection.paths), 'image')}, {wish.metric} distance of {extractor.layer}"
        wish.sheet.write(figure(near, told), console)
    return [*collection.unreadable, *(item for item in found if isinstance(item, Unreadable))]
