"""Results of a search for nearest neighbours, or for near duplicates."""

from cnncli.dataclass import frozen_dataclass
from cnncli.records.predictions import ImageSource


@frozen_dataclass
class Neighbour:
    """An image of a collection and its distance from the query."""

    path: str
    distance: float


@frozen_dataclass
class Neighbours:
    """The images nearest to a query, nearest first."""

    source: ImageSource
    nearest: tuple[Neighbour, ...]

    @property
    def path(self) -> str:
        """The path of the query."""
        return self.source.path


@frozen_dataclass
class Duplicate:
    """An image in a group of near duplicates.

    Attributes:
        path: of the image.
        score: how well its pixels match those of the first of its group, 1 at best; None where they could not be compared.
        distance: cosine distance of their embeddings.
    """

    path: str
    score: float | None
    distance: float
