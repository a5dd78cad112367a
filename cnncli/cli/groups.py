"""Commands that have commands of their own, of which one goes without saying."""

from typing import Any

import typer
from typer.core import TyperGroup

LIST = "list"
"""The command that goes without saying."""


class _ListsByDefault(TyperGroup):
    """What is no command's name is an argument of the one that lists."""

    def parse_args(self, context: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - as in typer
        """Put in the command that goes without saying."""
        return super().parse_args(context, args if args and args[0] in self.commands else [LIST, *args])


def listing_by_default(name: str) -> typer.Typer:
    """A command that lists, unless one of its own commands is named."""
    return typer.Typer(
        name=name,
        cls=_ListsByDefault,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
