"""Commands with options in sections, and command groups with a default subcommand that lists."""

import itertools
from collections.abc import Mapping
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

from cnncli.cli.other_tools import require_no_assignments
from cnncli.cli.output_guard import require_inputs_kept
from cnncli.errors import UsageError
from cnncli.text import quote

LIST = "list"
"""The default subcommand."""


class _ListGroup(TyperGroup):
    """A group whose arguments go to `list` unless they start with a subcommand."""

    synonyms: ClassVar[Mapping[str, str]] = {}
    """What other tools call the subcommands, and what they are called here."""

    def parse_args(self, context: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - as in typer
        """Insert the default subcommand, unless the subcommand itself is being completed."""
        if args and args[0] in self.synonyms and not context.resilient_parsing:
            ours = self.synonyms[args[0]]
            raise UsageError(
                f"no such command {args[0]!r}", " ".join([context.command_path, ours, *map(quote, args[1:])])
            )
        is_completed = context.resilient_parsing and not args
        has_subcommand = is_completed or (args and args[0] in self.commands)
        return super().parse_args(context, args if has_subcommand else [LIST, *args])


def list_group(name: str, synonyms: Mapping[str, str]) -> typer.Typer:
    """A command group with the default subcommand `list`.

    Args:
        name: of the group.
        synonyms: what other tools call its subcommands, and what they are called here.
    """

    class Group(_ListGroup):
        """The group of these synonyms."""

    Group.synonyms = synonyms
    return typer.Typer(
        name=name,
        cls=Group,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


_MODEL_OPTIONS = ("--model", "-m")


def _models_as_arguments(args: list[str]) -> list[str]:
    """The words of a command line, with `MODEL` for `-m MODEL`, `--model MODEL` and `--model=MODEL`."""
    end = args.index("--") if "--" in args else len(args)
    words = [word.removeprefix("--model=") for word in args[:end]]
    has_value = [index + 1 < end and word in _MODEL_OPTIONS for index, word in enumerate(words)]
    return [word for word, is_option in zip(words, has_value, strict=True) if not is_option] + args[end:]


class SectionedCommand(TyperCommand):
    """A command whose help groups options by their `rich_help_panel`, without rich; it never writes over its inputs.

    A MODEL argument may also be given as `-m MODEL`, as for the commands with other arguments.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - as in typer
        """Turn `-m MODEL` into an argument where the command takes it as one; explain `model=MODEL`."""
        names = {option for parameter in self.params for option in parameter.opts}
        require_no_assignments(self._without_assignments(args), names)
        self._require_values(args)
        return super().parse_args(ctx, _models_as_arguments(args) if names & {"model", "models"} else args)

    def _without_assignments(self, args: list[str]) -> list[str]:
        """The words of a command line, without the values of options that take assignments, as `--task-weight habitat=0.5`."""
        takers = {name for item in self.params if "=" in (item.metavar or "") for name in item.opts}
        return [word for before, word in itertools.pairwise(["", *args]) if before not in takers]

    def _require_values(self, args: list[str]) -> None:
        """Raise UsageError if an option has an empty value, as from an unset shell variable."""
        with_value = {
            name for item in self.params if not getattr(item, "is_flag", True) for name in item.opts
        }
        for option, value in itertools.pairwise(args):
            if not value and option in with_value:
                raise UsageError(f"{option} is empty", "is a shell variable unset?")

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - as in typer
        """Run the command."""
        require_inputs_kept(ctx.params)
        return super().invoke(ctx)

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - as in typer
        """Write arguments, options without a section, then the sections."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                default = "Options" if parameter.param_type_name == "option" else "Arguments"
                title = getattr(parameter, "rich_help_panel", None) or default
                sections.setdefault(title, []).append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
