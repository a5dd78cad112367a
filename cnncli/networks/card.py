"""Model cards as JSON; reading is strict, and an error names the field that is missing, unknown or invalid.

A change of the card's fields is a new schema number; those from 3 on stay readable (`tests/networks/schemas` has a card of each).
A card is written with the lowest number that has its fields, so that earlier versions can read whatever they can use.
"""

import dataclasses
import enum
import functools
import json
import math
import operator
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, Union

from cnncli.errors import ModelFolderError
from cnncli.records.defaults import MAX_INPUT
from cnncli.records.networks import FEATURES, CropRounding, HeadKind, ModelCard
from cnncli.records.tasks import AnswerKind, Task
from cnncli.text import parse_json

_MAX_CLASSES = 10_000_000
"""More classes than any network has; a head of so many on 2,048 features takes 80 GB."""

_MAX_EMBEDDING = 1 << 24
"""More dimensions than any embedding has: 64 maps of 512 x 512."""

SCHEMA, CUT_SCHEMA, TASKS_SCHEMA, TRANSFORMERS_SCHEMA, COSINE_SCHEMA, FEATURES_SCHEMA = 3, 4, 5, 6, 7, 8
"""Schema numbers of a card, of one of a cut network, of one with tasks, of one of a network of transformers or from ONNX, of one with a
cosine classifier, and of one with features of training images. 3 is the first that is read; earlier cards were never released."""

_ADDED = (
    (CUT_SCHEMA, ("architecture", "cut"), None),
    (TASKS_SCHEMA, ("tasks",), ()),
    (TRANSFORMERS_SCHEMA, ("architecture", "config"), None),
    (TRANSFORMERS_SCHEMA, ("preprocessing", "crop_rounding"), CropRounding.EVEN),
)
"""Fields that came with later schemas: the number, the path of the field, and its default, with which it is not written."""

_OPTIONAL = frozenset(path[-1] for _, path, _ in _ADDED)


def to_json(card: ModelCard) -> str:
    """The card as an indented JSON document."""
    document = dataclasses.asdict(card)
    schema = TRANSFORMERS_SCHEMA if card.architecture.library == "onnx" else SCHEMA
    for number, (*parts, field), default in _ADDED:
        part = functools.reduce(operator.getitem, parts, document)
        if part[field] == default:
            del part[field]
        else:
            schema = max(schema, number)
    if card.architecture.head and card.architecture.head.kind is HeadKind.COSINE:
        schema = COSINE_SCHEMA
    if any(facts.name == FEATURES for facts in card.files):
        schema = FEATURES_SCHEMA
    return json.dumps({"schema": schema} | document, indent=2, ensure_ascii=False) + "\n"


def from_json(text: str, origin: str) -> ModelCard:
    """The card in a JSON document.

    Args:
        text: the document.
        origin: the file that it came from, for messages.

    Raises:
        ModelFolderError: not JSON, another schema number, or not a valid card.
    """
    try:
        document = parse_json(text)
    except ValueError as error:
        raise ModelFolderError(f"{origin} is not JSON: {error}", _HINT) from error
    if not isinstance(document, dict) or "schema" not in document:
        raise ModelFolderError(f"{origin} is not a model card: it has no schema number", _HINT)
    schema = document.pop("schema")
    if schema not in range(SCHEMA, FEATURES_SCHEMA + 1) or type(schema) is not int:
        raise ModelFolderError(
            f"{origin} has schema {schema!r}; this version of cnncli reads schemas {SCHEMA} to {FEATURES_SCHEMA}",
            "prepare the network again, or use the version that wrote it",
        )
    try:
        card: ModelCard = _read(ModelCard, document, "card")
        _validate(card)
    except _Mismatch as problem:
        raise ModelFolderError(f"{origin}: {problem}", _HINT) from None
    return card


_HINT = "prepare the network again; cards are not meant to be edited"


class _Mismatch(Exception):  # noqa: N818 - a private signal, always turned into a ModelFolderError
    """A value that does not match the type of its field."""


def _read(kind: Any, value: object, path: str) -> Any:  # noqa: ANN401, PLR0911 - one case per kind of type
    """A JSON value as an instance of a type annotation; `path` is that of the value, for messages."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in {Union, types.UnionType}:  # X | None
        return None if value is None else _read(arguments[0], value, path)
    if origin is Literal:
        return _one_of(value, arguments, path)
    if origin is tuple:
        return _tuple(arguments, value, path)
    if dataclasses.is_dataclass(kind):
        return _dataclass(typing.cast("type", kind), value, path)
    if issubclass(kind, enum.Enum):
        return kind(_one_of(value, [member.value for member in kind], path))
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise _Mismatch(f"{path} should be of type {kind.__name__}, not {type(value).__name__}")
    return value


def _one_of(value: object, allowed: typing.Iterable[object], path: str) -> object:
    choices = list(allowed)
    if value not in choices:
        raise _Mismatch(f"{path} should be one of {choices}, not {value!r}")
    return value


def _tuple(arguments: tuple[Any, ...], value: object, path: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _Mismatch(f"{path} should be a list")
    kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else list(arguments)
    if len(kinds) != len(value):
        raise _Mismatch(f"{path} should have {len(kinds)} values, not {len(value)}")
    if all(type(item) is kind for kind, item in zip(kinds, value, strict=True)):
        return tuple(value)  # a thousand class names are read in no time
    return tuple(
        _read(kind, item, f"{path}[{i}]") for i, (kind, item) in enumerate(zip(kinds, value, strict=True))
    )


def _dataclass(kind: type, value: object, path: str) -> object:
    if not isinstance(value, Mapping):
        raise _Mismatch(f"{path} should be an object")
    hints = typing.get_type_hints(kind)
    if missing := [name for name in hints if name not in value and name not in _OPTIONAL]:
        raise _Mismatch(f"{path} lacks {', '.join(missing)}")
    if unknown := [name for name in value if name not in hints]:
        raise _Mismatch(f"{path} has unknown {', '.join(unknown)}")
    return kind(**{name: _read(hints[name], value[name], f"{path}.{name}") for name in value})


def _validate(card: ModelCard) -> None:
    """Check conditions that types do not express."""
    steps, classes, cut = card.preprocessing, card.architecture.num_classes, card.architecture.cut
    conditions = {
        "preprocessing.channels should be 1 or 3": steps.channels in {1, 3},
        "preprocessing needs one mean, std and fill per channel": (
            len(steps.mean) == len(steps.std) == len(steps.fill) == steps.channels
        ),
        "preprocessing.std should be above zero": min(steps.std, default=0) > 0,
        "preprocessing sizes should be above zero": min(*steps.size, *steps.resize) > 0,
        "preprocessing.size should be 4096 x 4096 pixels at most": math.prod(steps.size) <= MAX_INPUT,
        "preprocessing.resize should be 8192 x 8192 pixels at most": math.prod(steps.resize) <= 4 * MAX_INPUT,
        "preprocessing.mean and std should be finite": all(map(math.isfinite, (*steps.mean, *steps.std))),
        "preprocessing.fill should be from 0 to 255": all(0 <= value <= 255 for value in steps.fill),  # noqa: PLR2004
        f"architecture.num_classes should be from 0 to {_MAX_CLASSES:,}": 0 <= classes <= _MAX_CLASSES,
        f"embedding.size should be from 0 to {_MAX_EMBEDDING:,}": 0 <= card.embedding.size <= _MAX_EMBEDDING,
        "architecture.cut.size should be from 1 x 1 to 4096 x 4096 pixels": (
            cut is None or (min(cut.size) > 0 and math.prod(cut.size) <= MAX_INPUT)
        ),
        f"class_names should have {classes} entries": len(card.class_names) in {0, classes},
        f"synsets should have {classes} entries": card.synsets is None or len(card.synsets) == classes,
        "class_names should be those of all tasks, in order": (
            not card.tasks
            or card.class_names == tuple(name for task in card.tasks for name in task.class_names)
        ),
        "tasks should have different names": len({task.name for task in card.tasks}) == len(card.tasks),
        "each task needs classes": all(task.class_names for task in card.tasks),
        "tasks with several answers need a threshold from 0 to 1 per class, others none": all(
            map(_fits, card.tasks)
        ),
    }
    for complaint, holds in conditions.items():
        if not holds:
            raise _Mismatch(complaint)


def _fits(task: Task) -> bool:
    """Whether a task has the thresholds that its kind of answer needs."""
    if task.kind is AnswerKind.ONE:
        return task.thresholds is None
    thresholds = task.thresholds or ()
    return len(thresholds) == len(task.class_names) and all(0 <= value <= 1 for value in thresholds)
