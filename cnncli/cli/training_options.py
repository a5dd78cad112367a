"""Command-line options for training a network, derived from their declarations in `training.options`.

Their defaults are None, so that the command knows which ones were set.
"""

import enum
import inspect
import math
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from cnncli.cli import completion
from cnncli.networks.normalization import parse_normalization
from cnncli.training.declaration import Kind, Option, flag
from cnncli.training.options import declarations
from cnncli.training.resolve import default_text


def with_training_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one parameter per training option, in place of its `**` parameter.

    Options that the command declares itself stay as they are.
    """
    signature = inspect.signature(command, eval_str=True)
    parameters = [
        parameter.replace(kind=parameter.KEYWORD_ONLY)
        for parameter in signature.parameters.values()
        if parameter.kind is not parameter.VAR_KEYWORD
    ]
    parameters += [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_annotation(name, type_, option)
        )
        for name, (type_, option) in declarations().items()
        if name not in signature.parameters
    ]
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def explicit_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were set, as `training.resolve.resolve` takes them."""
    explicit = {name: value for name, value in values.items() if value is not None}
    return {name: None if value is _AUTO else value for name, value in explicit.items()}


def _annotation(name: str, type_: Any, option: Option) -> Any:  # noqa: ANN401 - types, and what Typer accepts
    """A type with its `typer.Option`; for Typer, options that are parsed here are text."""
    parser = _PARSERS.get(option.kind)
    is_plain = parser is None and not (isinstance(type_, type) and issubclass(type_, bool | enum.Enum))
    default = default_text(name)
    return Annotated[
        (str if parser else type_) | None,
        typer.Option(
            flag(name),
            help=f"{option.help}  [default: {default}]" if default else option.help,
            metavar=option.metavar if parser or is_plain else None,
            parser=parser,
            autocompletion=_COMPLETIONS.get(name),
            rich_help_panel=str(option.group),
            show_default=False,
        ),
    ]


_COMPLETIONS: Mapping[str, Callable[..., list[str]]] = {
    "opt": completion.complete_optimizer,
    "kd_model": completion.complete_model,
}
"""What Tab completes, by the name of the option."""

_AUTO = object()
"""Stands for `auto` between parser and command, since Typer takes None for an option that was not set."""


def _number_or_auto(text: str) -> object:
    if text == "auto":
        return _AUTO
    try:
        number = float(text)
    except ValueError:
        number = math.inf
    if not math.isfinite(number):
        raise typer.BadParameter(f"{text!r} is neither a number nor 'auto'")
    return number


def _pair(text: str) -> tuple[float, float]:
    """`0.5,1`."""
    try:
        low, high = map(float, text.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not two numbers with a comma between them") from error
    return low, high


_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def _bytes(text: str) -> int:
    """`0`, `500M`, `8G`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)b?", text.strip().lower())
    if not match:
        raise typer.BadParameter(f"{text!r} is not a size such as 500M or 8G")
    return round(float(match[1]) * _UNITS[match[2]])


_PARSERS: Mapping[Kind, Callable[[str], Any]] = {
    Kind.NUMBER_OR_AUTO: _number_or_auto,
    Kind.PAIR: _pair,
    Kind.BYTES: _bytes,
    Kind.NORMALIZATION: parse_normalization,
}
