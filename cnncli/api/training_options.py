"""Training options as a program passes them, checked against their declarations."""

import enum
import numbers
import os
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from cnncli.api.choices import choice, require_options
from cnncli.errors import UsageError
from cnncli.networks.normalization import parse_normalization
from cnncli.training.declaration import Kind
from cnncli.training.options import declarations


def training_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """Training options as `training.resolve` takes them.

    Raises:
        UsageError: there is no such option, or no such choice, or a value has another type.
    """
    require_options("finetune", values, declarations())
    return {name: _converted(name, value) for name, value in values.items()}


def _converted(name: str, value: Any) -> Any:  # noqa: ANN401 - of any type
    type_, option = declarations()[name]
    if isinstance(type_, type) and issubclass(type_, enum.StrEnum):
        return choice(type_, name, value)
    if option.kind is Kind.NUMBER_OR_AUTO and value == "auto":
        return None
    if option.kind is Kind.NORMALIZATION and isinstance(value, str):
        return parse_normalization(value)
    members = get_args(type_) if isinstance(type_, types.UnionType) else (type_,)
    (plain,) = {get_origin(member) or member for member in members} - {types.NoneType}
    if value is None and types.NoneType in members:
        return None
    if not _is_a(plain, value):
        raise UsageError(f"{name}={value!r} is not {_NAMES.get(plain, f'of type {plain.__name__}')}")
    return plain(value)


_NAMES: Mapping[type, str] = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    tuple: "two numbers, such as (0.5, 1)",
    Path: "a path",
    str: "a text",
}


def _is_a(plain: type, value: Any) -> bool:  # noqa: ANN401 - of any type
    """Whether a value can be converted to a type without loss."""
    if plain is tuple:
        is_pair = isinstance(value, Sequence) and len(value) == 2  # noqa: PLR2004 - the ends of a range
        return is_pair and all(_is_a(float, number) for number in value)
    if plain in {int, float} and isinstance(value, bool):
        return False
    accepted: dict[type, Any] = {int: numbers.Integral, float: numbers.Real, Path: str | os.PathLike}
    return isinstance(value, accepted.get(plain, plain))
