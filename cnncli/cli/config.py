"""`--config FILE.toml`: options from a file, each under its name; the command line takes precedence."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cnncli.errors import UsageError


def _apply_config(context: typer.Context, file: Path | None) -> Path | None:
    """Make the file's values the defaults of the command's options."""
    if file is None:
        return None
    from cnncli.training.settings_file import read_settings

    values = read_settings(file).options
    available = {_option(parameter.name) for parameter in context.command.params} - {"config"}
    if unknown := sorted(set(values) - available):
        raise UsageError(
            f"the settings {file} have {', '.join(map(repr, unknown))}, which {context.info_name} does not have",
            f"its options are {', '.join(sorted(available))}",
        )
    for parameter in context.command.params:
        name = _option(parameter.name)
        if name not in values:
            continue
        if isinstance(values[name], bool) != getattr(parameter, "is_flag", False):
            kind = "true or false" if getattr(parameter, "is_flag", False) else "a value, not a flag"
            raise UsageError(f"in the settings {file}, {name} must be {kind}, not {values[name]!r}")
        if isinstance(values[name], list) and not getattr(parameter, "multiple", False):
            raise UsageError(f"in the settings {file}, {name} must be one value, not a list")
        parameter.envvar = None  # a file named on the command line takes precedence over the environment
    repeatable = {_option(item.name) for item in context.command.params if getattr(item, "multiple", False)}
    context.default_map = {
        _parameter(name): list(map(str, value if isinstance(value, list) else [value]))
        if name in repeatable
        else _command_line_value(value)
        for name, value in values.items()
    }
    return file


def _option(parameter: str | None) -> str:
    """The name of a parameter's option in a file: `format` for `format_`."""
    return (parameter or "").rstrip("_")


def _parameter(option: str) -> str:
    return f"{option}_" if option == "format" else option


def _command_line_value(value: Any) -> Any:  # noqa: ANN401 - whatever TOML has
    """A value as it would be typed; flags are unchanged."""
    return value if isinstance(value, bool) else str(value)


def _apply_run_settings(context: typer.Context, run: Path | None) -> Path | None:
    """Make the settings of a run the defaults of the command's options, with its last number of epochs."""
    if run is None:
        return None
    from cnncli.training.settings_file import require_run

    require_run(run)
    _apply_config(context, run / "settings.toml")
    from cnncli.training.manifest import load_manifest

    context.default_map = {**(context.default_map or {}), "epochs": str(load_manifest(run).epochs)}
    return run


Resume = Annotated[
    Path | None,
    typer.Option(
        "--resume",
        metavar="RUN",
        is_eager=True,
        callback=_apply_run_settings,
        help="Resume an interrupted run with its own settings; with --epochs, train a finished run further.",
    ),
]

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE.toml",
        is_eager=True,
        callback=_apply_config,
        help="Read options from a file, e.g. the settings.toml of a run; the command line takes precedence.",
    ),
]
