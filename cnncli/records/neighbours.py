"""Results of a nearest-neighbour search."""

from dataclasses import dataclass

from cnncli.records.predictions import ImageSource


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An image of a collection and its distance from the query."""

    path: str
    distance: float


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The images nearest to a query, nearest first."""

    source: ImageSource
    nearest: tuple[Neighbour, ...]

    @property
    def path(self) -> str:
        """The path of the query."""
        return self.source.path
