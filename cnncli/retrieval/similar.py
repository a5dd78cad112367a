"""The images of a collection that are nearest to others, and those that are nearly the same."""

import os
from collections.abc import Iterable, Iterator

import numpy as np

from cnncli.features.extract import Extractor
from cnncli.images.sources import Found
from cnncli.records.choices import DistanceMetric
from cnncli.records.features import ImageEmbedding
from cnncli.records.neighbours import Neighbour, Neighbours
from cnncli.records.predictions import Unreadable
from cnncli.retrieval.collection import Collection
from cnncli.retrieval.nearest import groups, nearest


def similar(
    queries: Iterable[Found | None],
    collection: Collection,
    extractor: Extractor,
    k: int,
    metric: DistanceMetric,
) -> list[Neighbours | Unreadable]:
    """The nearest images of a collection, for each query in its order; an image is not its own neighbour.

    Args:
        queries: as `images.sources` gives them; all of their embeddings are in memory.
        collection: where to look.
        extractor: makes the queries' embeddings, by the network that made the collection's.
        k: neighbours of each.
        metric: how far is far.

    Raises:
        CnncliError: the network cannot be run as wished.
    """
    entries = list(extractor.extract(queries))
    vectors = [entry.vector for entry in entries if isinstance(entry, ImageEmbedding)]
    if not vectors or not collection.paths:
        return [entry if isinstance(entry, Unreadable) else Neighbours(entry.source, ()) for entry in entries]
    places, far = nearest(np.stack(vectors), collection.vectors, min(k + 1, len(collection.paths)), metric)
    rows = zip(places.tolist(), far.tolist(), strict=True)
    return [
        entry
        if isinstance(entry, Unreadable)
        else Neighbours(entry.source, tuple(_others(entry.path, collection, *next(rows)))[:k])
        for entry in entries
    ]


def _others(query: str, collection: Collection, places: list[int], far: list[float]) -> Iterator[Neighbour]:
    """The images at some places, but for the query itself."""
    itself = os.path.realpath(query)
    for place, distance in zip(places, far, strict=True):
        path = collection.paths[place]
        if os.path.realpath(path) != itself:
            yield Neighbour(path, distance)


def duplicates(collection: Collection, limit: float, metric: DistanceMetric) -> list[list[Neighbour]]:
    """Groups of images that are nearly the same as the first of each, with their distance from it.

    Args:
        collection: where to look.
        limit: the largest distance of two that are.
        metric: how far is far.
    """
    return [
        [Neighbour(collection.paths[index], far) for index, far in group]
        for group in groups(collection.vectors, limit, metric)
    ]
