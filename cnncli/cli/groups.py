"""Commands whose options stand in sections, and commands that have commands of their own, one of which goes without saying."""

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

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


class Sectioned(TyperCommand):
    """Its help tells options apart by their `rich_help_panel`, without rich."""

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - as in typer
        """Arguments, options of no section, then section by section."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                usual = "Options" if parameter.param_type_name == "option" else "Arguments"
                title = getattr(parameter, "rich_help_panel", None) or usual
                sections.setdefault(title, []).append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
