"""The nearest images of a collection for each query, and groups of near duplicates."""

import math
import os
from collections.abc import Iterable, Iterator

import numpy as np

from cnncli.errors import UsageError
from cnncli.features.extract import Extractor
from cnncli.images.sources import ImageInput, image_source
from cnncli.records.choices import DistanceMetric
from cnncli.records.features import ImageEmbedding
from cnncli.records.neighbours import Duplicate, Neighbour, Neighbours
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import Progress, ProgressBar
from cnncli.retrieval.collection import Collection
from cnncli.retrieval.duplicate_groups import Member, by_first, group
from cnncli.retrieval.duplicates import DuplicateOptions, DuplicateSearch, EmbeddedImages
from cnncli.retrieval.nearest import nearest
from cnncli.text import counted


def similar(
    queries: Iterable[ImageInput | None],
    collection: Collection,
    extractor: Extractor,
    k: int,
    metric: DistanceMetric,
) -> list[Neighbours | Unreadable]:
    """The nearest images of a collection for each query, in input order; an image is not its own neighbour.

    Args:
        queries: from `images.sources`; their embeddings are held in memory.
        collection: the images to search.
        extractor: computes the embeddings of the queries, with the network of the collection.
        k: neighbours per query.
        metric: distance between embeddings.

    Raises:
        UsageError: the collection was computed with another network or layer.
        CnncliError: the network cannot run as the options say.
    """
    entries = list(extractor.extract(queries))
    vectors = [entry.vector for entry in entries if isinstance(entry, ImageEmbedding)]
    if not vectors or not collection.paths:
        return [entry if isinstance(entry, Unreadable) else Neighbours(entry.source, ()) for entry in entries]
    _require_same_width(collection.vectors.shape[1], len(vectors[0]), "those of the queries")
    indices, distances = nearest(
        np.stack(vectors), collection.vectors, min(k + 1, len(collection.paths)), metric
    )
    rows = zip(indices.tolist(), distances.tolist(), strict=True)
    return [
        entry
        if isinstance(entry, Unreadable)
        else Neighbours(entry.source, tuple(_others(entry.path, collection, *next(rows)))[:k])
        for entry in entries
    ]


def _require_same_width(width: int, other: int, others: str) -> None:
    if width != other:
        raise UsageError(
            f"the embeddings of the collection have {width:,} numbers, {others} {other:,}",
            "use the network (-m) and the --layer that the collection was computed with",
        )


def _others(
    query: str, collection: Collection, indices: list[int], distances: list[float]
) -> Iterator[Neighbour]:
    """The images at some indices with their distances, without the query itself."""
    query_path = os.path.realpath(query)
    for index, distance in zip(indices, distances, strict=True):
        path = collection.paths[index]
        if os.path.realpath(path) != query_path:
            yield Neighbour(path, distance)


def near_duplicates(
    collection: Collection,
    others: Collection | None,
    options: DuplicateOptions,
    progress: Progress,
    bar: ProgressBar,
) -> list[list[Duplicate]]:
    """Groups of near duplicates, each a near duplicate of the first; or each image with those in another collection.

    Args:
        collection: the images to compare.
        others: another collection to compare them with; None compares them with each other.
        options: what counts as a near duplicate.
        progress: reports if the pixels of images cannot be compared.
        bar: opens a progress bar over the images whose pixels are read.

    Raises:
        UsageError: the embeddings of the two collections are of different networks.
    """
    if not collection.paths or (others and not others.paths):
        return []
    if others:
        _require_same_width(collection.vectors.shape[1], others.vectors.shape[1], "those of the other one")
    with progress.spinner("looking for pairs"):
        search = DuplicateSearch(_embedded(collection), _embedded(others) if others else None, options, bar)
    with progress.spinner("comparing pixels"):
        duplicates = search.find()
        groups = by_first(duplicates) if others else group(duplicates, search.select)
    if search.unreadable:
        progress.warning(
            f"{counted(search.unreadable, 'image')} cannot be opened: their pairs are not verified, and only those within a cosine "
            f"distance of {options.unverified_distance:g} are listed"
        )
    named = [
        [_duplicate(first, collection), *(_duplicate(member, others or collection) for member in members)]
        for first, *members in groups
    ]
    return [images for images in map(_without_repetition, named) if len(images) > 1]


def _without_repetition(images: list[Duplicate]) -> list[Duplicate]:
    """A group without further occurrences of its first file, which may be in both of two collections."""
    first = os.path.realpath(images[0].path)
    return [images[0], *(image for image in images[1:] if os.path.realpath(image.path) != first)]


def _embedded(collection: Collection) -> EmbeddedImages:
    return EmbeddedImages([image_source(path) for path in collection.paths], collection.vectors)


def _duplicate(member: Member, collection: Collection) -> Duplicate:
    score = None if math.isnan(member.score) else round(member.score, 4)
    return Duplicate(collection.paths[member.row], score, round(member.distance, 6))
