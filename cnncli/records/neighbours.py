"""The vocabulary of likeness: which images lie near which."""

from dataclasses import dataclass

from cnncli.records.predictions import ImageSource


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An image of a collection, and how far it is."""

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
