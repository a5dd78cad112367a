"""What `cnncli similar` prints and draws: nearest neighbours, or groups of near duplicates."""

import enum
from typing import TYPE_CHECKING, TypeVar

from cnncli.cli import pictures
from cnncli.cli.console import Console, terminal_width, write_data
from cnncli.cli.inputs import Inputs
from cnncli.cli.progress import image_bars
from cnncli.dataclass import frozen_dataclass
from cnncli.records.choices import DistanceMetric
from cnncli.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cnncli.features.extract import Extractor
    from cnncli.records.pictures import Figure
    from cnncli.records.predictions import Unreadable
    from cnncli.retrieval.collection import Collection
    from cnncli.retrieval.duplicates import DuplicateOptions

T = TypeVar("T")


class SimilarFormat(enum.StrEnum):
    """Output format of neighbours."""

    TABLE = "table"
    TSV = "tsv"
    JSON = "json"


@frozen_dataclass
class SimilarOutput:
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


def print_groups(
    collection: "Collection", others: "Collection | None", options_: "DuplicateOptions", output: SimilarOutput
) -> "Sequence[Unreadable]":
    """Print and draw the groups of near duplicates; returns the unreadable images."""
    from cnncli.render import neighbours as render
    from cnncli.retrieval.figures import groups_figure
    from cnncli.retrieval.similar import near_duplicates

    console = output.console
    groups = near_duplicates(collection, others, options_, console, image_bars(console))
    output.print(groups, table=render.groups_table, tsv=render.groups_tsv, json=render.groups_json)
    images = counted(len(collection.paths), "image")
    if others:
        title = (
            f"{len(groups):,} of {images} with near duplicates among {counted(len(others.paths), 'other')}"
        )
    else:
        title = f"{counted(len(groups), 'group')} of near duplicates in {images}"
    console.notice(title)
    output.draw(groups_figure, groups, title)
    return [*collection.unreadable, *(others.unreadable if others else ())]


def print_neighbours(
    inputs: Inputs,
    collection: "Collection",
    extractor: "Extractor",
    topk: int,
    metric: DistanceMetric,
    output: SimilarOutput,
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
