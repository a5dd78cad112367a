"""A model card as JSON, and back, strictly: what is missing, unknown or of the wrong kind is named.

A change of the card's fields is a new `SCHEMA`; numbers from 3 on stay readable (`tests/networks/schemas` has a card of each).
"""

import dataclasses
import enum
import json
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, Union

from cnncli.errors import ModelFolderError
from cnncli.records.networks import ModelCard

SCHEMA = 3
"""The schema number that is written. 3 is the first that is read; earlier cards were never released."""


def to_json(card: ModelCard) -> str:
    """The card as a JSON document that a person can read, too."""
    return json.dumps({"schema": SCHEMA} | dataclasses.asdict(card), indent=2, ensure_ascii=False) + "\n"


def from_json(text: str, where: str) -> ModelCard:
    """The card in a JSON document.

    Args:
        text: the document.
        where: the file that it came from, for the messages.

    Raises:
        ModelFolderError: it is no JSON, of another schema, or not a card.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFolderError(f"{where} is not JSON: {error}", _HINT) from error
    if not isinstance(document, dict) or "schema" not in document:
        raise ModelFolderError(f"{where} is not a model card: it has no schema number", _HINT)
    schema = document.pop("schema")
    if schema != SCHEMA:
        raise ModelFolderError(
            f"{where} has schema {schema!r}; this cnncli reads schema {SCHEMA}",
            "prepare the network again, or use the cnncli that wrote it",
        )
    try:
        card: ModelCard = _read(ModelCard, document, "card")
        _check(card)
    except _Mismatch as problem:
        raise ModelFolderError(f"{where}: {problem}", _HINT) from None
    return card


_HINT = "prepare the network again; a card is not meant to be edited"


class _Mismatch(Exception):  # noqa: N818 - a private signal, always turned into a ModelFolderError
    """A value that is not what the card's types ask for."""


def _read(kind: Any, value: object, place: str) -> Any:  # noqa: ANN401, PLR0911 - one case a kind of type
    """A JSON value as an instance of a type annotation."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in {Union, types.UnionType}:  # X | None
        return None if value is None else _read(arguments[0], value, place)
    if origin is Literal:
        return _one_of(value, arguments, place)
    if origin is tuple:
        return _tuple(arguments, value, place)
    if dataclasses.is_dataclass(kind):
        return _dataclass(typing.cast("type", kind), value, place)
    if issubclass(kind, enum.Enum):
        return kind(_one_of(value, [member.value for member in kind], place))
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise _Mismatch(f"{place} should be of type {kind.__name__}, not {type(value).__name__}")
    return value


def _one_of(value: object, allowed: typing.Iterable[object], place: str) -> object:
    choices = list(allowed)
    if value not in choices:
        raise _Mismatch(f"{place} should be one of {choices}, not {value!r}")
    return value


def _tuple(arguments: tuple[Any, ...], value: object, place: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _Mismatch(f"{place} should be a list")
    kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else list(arguments)
    if len(kinds) != len(value):
        raise _Mismatch(f"{place} should have {len(kinds)} values, not {len(value)}")
    return tuple(
        _read(kind, item, f"{place}[{i}]") for i, (kind, item) in enumerate(zip(kinds, value, strict=True))
    )


def _dataclass(kind: type, value: object, place: str) -> object:
    if not isinstance(value, Mapping):
        raise _Mismatch(f"{place} should be an object")
    hints = typing.get_type_hints(kind)
    if missing := [name for name in hints if name not in value]:
        raise _Mismatch(f"{place} lacks {', '.join(missing)}")
    if unknown := [name for name in value if name not in hints]:
        raise _Mismatch(f"{place} has unknown {', '.join(unknown)}")
    return kind(**{name: _read(hint, value[name], f"{place}.{name}") for name, hint in hints.items()})


def _check(card: ModelCard) -> None:
    """What the types alone cannot say."""
    how, classes = card.preprocessing, card.architecture.num_classes
    wants = {
        "preprocessing.channels should be 1 or 3": how.channels in {1, 3},
        "preprocessing needs one mean, std and fill a channel": (
            len(how.mean) == len(how.std) == len(how.fill) == how.channels
        ),
        "preprocessing.std should be above zero": min(how.std, default=0) > 0,
        "preprocessing sizes should be above zero": min(*how.size, *how.resize) > 0,
        f"class_names should have {classes} entries": len(card.class_names) in {0, classes},
        f"synsets should have {classes} entries": card.synsets is None or len(card.synsets) == classes,
    }
    for complaint, holds in wants.items():
        if not holds:
            raise _Mismatch(complaint)
