"""Schema numbers of files: which are read, and what is said of the others."""

from cnncli.dataclass import frozen_dataclass


@frozen_dataclass
class SchemaProblem:
    """Why a file cannot be read, and what to do about it."""

    reason: str
    hint: str


def schema_problem(number: object, supported: int, remedy: str) -> SchemaProblem | None:
    """What is wrong with the schema number of a file; None if it is read.

    Args:
        number: as it stands in the file; None if it has none.
        supported: the newest number; earlier ones are read, too.
        remedy: what to do about a file without a number that is read.
    """
    if number is None:
        return SchemaProblem("it has no schema number: it was written before cnncli 0.1.0", remedy)
    if type(number) is not int or number < 1:
        return SchemaProblem(f"its schema number is {number!r}, which is not a whole number from 1", remedy)
    if number > supported:
        return SchemaProblem(
            f"its schema number is {number}, and this cnncli reads up to {supported}",
            "install a newer cnncli",
        )
    return None
