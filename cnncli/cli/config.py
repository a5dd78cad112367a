"""`--config FILE.toml`: options from a file, each under its name; what is on the command line wins."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cnncli.errors import UsageError


def _read(context: typer.Context, file: Path | None) -> Path | None:
    """Make the file's values the defaults of the command's options."""
    if file is None:
        return None
    from cnncli.training.settings_file import read_settings

    values = read_settings(file).options
    known = {_option(parameter.name) for parameter in context.command.params} - {"config"}
    if unknown := sorted(set(values) - known):
        raise UsageError(
            f"the settings {file} have {', '.join(map(repr, unknown))}, which {context.info_name} has not",
            f"there are {', '.join(sorted(known))}",
        )
    for parameter in context.command.params:
        name = _option(parameter.name)
        if name not in values:
            continue
        if isinstance(values[name], bool) != getattr(parameter, "is_flag", False):
            kind = "true or false" if getattr(parameter, "is_flag", False) else "a value, not a flag"
            raise UsageError(f"in the settings {file}, {name} is {kind}, and not {values[name]!r}")
        parameter.envvar = None  # the file was named on the command line: the environment comes after it
    context.default_map = {_parameter(name): _text(value) for name, value in values.items()}
    return file


def _option(parameter: str | None) -> str:
    """The option's name as it stands in a file: `format_` is `format`, since Python has a word of that name."""
    return (parameter or "").rstrip("_")


def _parameter(option: str) -> str:
    return f"{option}_" if option == "format" else option


def _text(value: Any) -> Any:  # noqa: ANN401 - whatever TOML has
    """As it would be typed; flags stay what they are."""
    return value if isinstance(value, bool) else str(value)


def _resume(context: typer.Context, run: Path | None) -> Path | None:
    """Take all options from the run that is to go on, and the number of epochs that it was last told to have."""
    if run is None:
        return None
    if not run.is_dir():
        raise UsageError(f"there is no run {run} to go on with")
    _read(context, run / "settings.toml")
    from cnncli.training.manifest import load_manifest

    context.default_map = {**(context.default_map or {}), "epochs": str(load_manifest(run).epochs)}
    return run


Resume = Annotated[
    Path | None,
    typer.Option(
        "--resume",
        metavar="RUN",
        is_eager=True,
        callback=_resume,
        help="Go on with an interrupted run, with the settings that it was begun with; with --epochs, to more of them.",
    ),
]

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE.toml",
        is_eager=True,
        callback=_read,
        help="Take options from a file, as a run's settings.toml has them; those on the command line win.",
    ),
]
