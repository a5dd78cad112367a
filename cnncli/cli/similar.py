"""`cnncli similar`: nearest neighbours in feature space, and near duplicates."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli import completion, options, pictures
from cnncli.cli.console import Console, is_terminal, quiet_libraries
from cnncli.cli.inputs import Inputs
from cnncli.cli.option_groups import ComputeOptions, InputListOptions, NetworkOptions, takes_groups
from cnncli.cli.progress import image_bars
from cnncli.cli.similar_output import SimilarFormat, SimilarOutput, print_groups, print_neighbours
from cnncli.errors import InputError, OutputError, UsageError
from cnncli.files.output_path import is_inside
from cnncli.images.file_names import is_archive
from cnncli.records.choices import DistanceMetric
from cnncli.records.defaults import LEAST_SCORE, UNVERIFIED_DISTANCE
from cnncli.text import is_url, quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cnncli.features.extract import Extractor
    from cnncli.retrieval.collection import Collection


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


@takes_groups
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
            help="List groups of near duplicates in this folder or file instead of searching it. Features propose pairs, pixels "
            "decide: images that are scaled, cropped, mirrored, recoloured or compressed again.",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="FOLDER|FILE",
            parser=_parse_collection,
            help="List the images of --duplicates that have near duplicates in this folder or file, with these.",
        ),
    ] = None,
    score: Annotated[
        float | None,
        typer.Option(
            "--score",
            min=0.0,
            max=1.0,
            metavar="X",
            help=f"Least score of near duplicates, 1 for equal pixels.  [default: {LEAST_SCORE}]",
        ),
    ] = None,
    within: Annotated[
        float | None,
        typer.Option(
            "--within",
            min=0.0,
            metavar="X",
            help="Largest cosine distance between the embeddings of near duplicates.  [default: any, but "
            f"{UNVERIFIED_DISTANCE} where the images cannot be opened]",
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
            help="Also save a picture of each query with its neighbours, or of each group of near duplicates.",
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    *,
    network: NetworkOptions,
    paths: InputListOptions,
    image_column: options.ImageColumn = None,
    computation: ComputeOptions,
    quiet: options.Quiet = False,
) -> None:
    """Find the nearest neighbours of images in the feature space of a network, or groups of near duplicates.

    \b
    Examples:
      cnncli similar photo.jpg --in photos/
      cnncli similar new/ --in photos/ -m resnet50 --sheet neighbours.png
      cnncli similar photo.jpg --in features.npz --metric cosine -f json
      cnncli similar --duplicates photos/ --sheet duplicates.png
      cnncli similar --duplicates test/ --against train/
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet)
    query_options = {
        "images": queries, "--files-from": paths.files_from, "--in": among, "-k": topk, "--metric": metric
    }  # fmt: skip
    if duplicates and (unused := [name for name, value in query_options.items() if value]):
        raise UsageError(f"{', '.join(unused)}: no effect with --duplicates, which takes no queries")
    _require_duplicates(duplicates, {"--against": against, "--score": score, "--within": within})
    collection_path = among or duplicates
    if not collection_path:
        raise UsageError("no images to search", "add --in FOLDER, or --in features.npz")
    inputs = Inputs() if duplicates else paths.inputs(queries, image_column)
    destination = pictures.PictureDestination.resolve_sheet(sheet, overwrite=overwrite) if sheet else None
    if sheet and any(is_inside(sheet, path) for path in (collection_path, against) if path):
        raise OutputError(f"{sheet} is in the folder that is searched", "write it somewhere else")
    format_ = format_ or (SimilarFormat.TABLE if is_terminal(sys.stdout) else SimilarFormat.TSV)
    result_output = SimilarOutput(format_, destination, console)
    with quiet_libraries(), console.spinner("comparing images"):
        from cnncli.engines.cores import usable_cores
        from cnncli.features.extract import Extractor
        from cnncli.prepare import prepare
        from cnncli.retrieval.duplicates import DuplicateOptions

        reference = network.reference(model, console)
        inference = computation.inference()
        extractor = Extractor(
            prepare(reference, console, is_offline=network.offline), inference, console, layer
        )
        collection = _collection(collection_path, extractor, console)
        if duplicates:
            others = _collection(against, extractor, console) if against else None
            options_ = DuplicateOptions(
                inference.max_pixels,
                inference.workers or usable_cores(),
                within,
                LEAST_SCORE if score is None else score,
            )
            unreadable = print_groups(collection, others, options_, result_output)
        else:
            unreadable = print_neighbours(
                inputs, collection, extractor, topk or 5, metric or DistanceMetric.EUCLIDEAN, result_output
            )
    for item in unreadable:
        console.warning(f"{item.path}: {item.reason}")
    if unreadable:
        raise typer.Exit(options.UNREADABLE_INPUTS)


def _require_duplicates(duplicates: Path | None, dependent: "Mapping[str, object]") -> None:
    """Check that there are no options of --duplicates without it.

    Raises:
        UsageError: there are.
    """
    if not duplicates and (unused := [name for name, value in dependent.items() if value is not None]):
        raise UsageError(
            f"{', '.join(unused)}: no effect without --duplicates",
            "add --duplicates FOLDER, or leave them out",
        )


def _collection(path: Path, extractor: "Extractor", console: Console) -> "Collection":
    from cnncli.retrieval.collection import file_collection, folder_collection

    if path.is_file():
        return file_collection(path, extractor, console)
    if not path.is_dir():
        raise InputError(f"{path}: no such folder or file")
    return folder_collection(path, extractor, image_bars(console))
