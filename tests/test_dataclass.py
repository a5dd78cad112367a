"""Frozen dataclasses behave as those of the standard library."""

import copy
import dataclasses
import inspect
import math
import pickle
from collections.abc import Callable
from dataclasses import KW_ONLY, FrozenInstanceError, field
from typing import Any

import pytest

from cnncli.dataclass import frozen_dataclass


class Shape:
    """A base class that has a `__dict__`."""


def define(decorator: Callable[[type], type]) -> tuple[Any, Any, Any]:
    """A class, a subclass of it and a class without fields."""

    @decorator
    class Size(Shape):
        """A size."""

        height: int
        width: int = 3
        unit: str = field(default="px", compare=False)
        notes: list[str] = field(default_factory=list, compare=False, repr=False)
        _: KW_ONLY
        depth: float = 1.0

        @property
        def area(self) -> int:
            return self.height * self.width

    @decorator
    class Named(Size):
        """A size with a name, of which it keeps the first word."""

        name: str = ""

        def __post_init__(self) -> None:
            object.__setattr__(self, "name", self.name.split(" ")[0])

    @decorator
    class Empty:
        """Nothing."""

    return Size, Named, Empty


OURS = define(frozen_dataclass)
THEIRS = define(dataclasses.dataclass(frozen=True, slots=True))
USES: dict[str, Callable[[Any, Any, Any], object]] = {
    "repr": lambda size, named, empty: (repr(size(1)), repr(named(1, name="a b")), repr(empty())),
    "equal": lambda size, named, _: (size(1) == size(1, unit="m"), size(1) == size(2), size(1) == named(1)),
    "equal to others": lambda size, _, empty: (size(1) == (1, 3), size(1) != 1, empty() == empty()),
    "hash": lambda size, named, _: len({size(1), size(1, 3, "m"), size(2), named(1), named(1, name="a")}),
    "replace": lambda size, named, _: (
        repr(dataclasses.replace(size(1), width=5)),
        repr(dataclasses.replace(named(1), name="c d")),
    ),
    "asdict": lambda _, named, __: (dataclasses.asdict(named(1, name="a")), dataclasses.astuple(named(2))),
    "fields": lambda _, named, empty: (
        [item.name for item in dataclasses.fields(named)] + [*dataclasses.fields(empty)]
    ),
    "slots": lambda size, named, _: (size.__slots__, named.__slots__),
    "match": lambda size, named, _: (size.__match_args__, named.__match_args__),
    "own list": lambda size, _, __: size(1).notes is size(1).notes,
    "signature": lambda size, named, _: [
        [(item.name, item.kind, item.annotation) for item in inspect.signature(kind).parameters.values()]
        for kind in (size, named)
    ],
    "area": lambda size, named, _: (size(2).area, named(4).area),
    "copy": lambda _, named, __: copy.deepcopy(named(1, name="a")) == named(1, name="a"),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_they_behave_alike(use: Callable[[Any, Any, Any], object]) -> None:
    assert use(*OURS) == use(*THEIRS)


@pytest.mark.parametrize("kinds", [OURS, THEIRS], ids=["ours", "theirs"])
def test_nothing_can_be_changed(kinds: tuple[Any, Any, Any]) -> None:
    size = kinds[1](1)
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'height'"):
        size.height = 2
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'name'"):
        size.name = "b"
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'height'"):
        del size.height
    for name in ("area", "weight"):
        with pytest.raises(
            (AttributeError, TypeError)
        ):  # in Python 3.11, slots turn the former into the latter
            setattr(size, name, 2)
    assert size == kinds[1](1)


def test_arguments_are_checked() -> None:
    with pytest.raises(TypeError, match="'height'"):
        OURS[0]()
    with pytest.raises(TypeError, match="'weight'"):
        OURS[0](1, weight=2)
    with pytest.raises(TypeError, match="positional"):
        OURS[0](1, 2, "m", [], 3.0)


@frozen_dataclass
class Number:
    """A number."""

    value: float


@frozen_dataclass
class Pair(Number):
    """Two numbers."""

    other: float = 0.5


def test_equality_starts_with_identity() -> None:
    nothing = Number(math.nan)
    assert nothing == nothing  # noqa: PLR0124 - as for tuples
    assert nothing != Number(float("nan"))


def test_they_can_be_sent_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(Pair(1))) == Pair(1)  # noqa: S301 - our own bytes


def test_an_own_method_is_kept() -> None:
    @frozen_dataclass
    class Shout:
        """A word."""

        word: str

        def __repr__(self) -> str:
            return self.word.upper()

    assert repr(Shout("a")) == "A"
    assert Shout("a") == Shout("a")
