"""The nearest images of a collection for each query, and groups of near-duplicates."""

import os
from collections.abc import Iterable, Iterator

import numpy as np

from cnncli.errors import UsageError
from cnncli.features.extract import Extractor
from cnncli.images.sources import ImageInput
from cnncli.records.choices import DistanceMetric
from cnncli.records.features import ImageEmbedding
from cnncli.records.neighbours import Neighbour, Neighbours
from cnncli.records.predictions import Unreadable
from cnncli.retrieval.collection import Collection
from cnncli.retrieval.nearest import groups, nearest


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
    width, own = collection.vectors.shape[1], len(vectors[0])
    if width != own:
        raise UsageError(
            f"the embeddings of the collection have {width:,} numbers, those of the queries {own:,}",
            "use the network (-m) and the --layer that the collection was computed with",
        )
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


def _others(
    query: str, collection: Collection, indices: list[int], distances: list[float]
) -> Iterator[Neighbour]:
    """The images at some indices with their distances, without the query itself."""
    query_path = os.path.realpath(query)
    for index, distance in zip(indices, distances, strict=True):
        path = collection.paths[index]
        if os.path.realpath(path) != query_path:
            yield Neighbour(path, distance)


def duplicates(collection: Collection, limit: float, metric: DistanceMetric) -> list[list[Neighbour]]:
    """Groups of near-duplicate images, each with its distance from the first of its group.

    Args:
        collection: the images to compare.
        limit: largest distance from the first image of a group.
        metric: distance between embeddings.
    """
    return [
        [Neighbour(collection.paths[index], distance) for index, distance in group]
        for group in groups(collection.vectors, limit, metric)
    ]
