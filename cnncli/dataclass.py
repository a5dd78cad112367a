"""Frozen dataclasses that are quick to define.

`dataclasses.dataclass(frozen=True)` compiles six methods for every class, and one prediction needs more than 60 classes. Here only
`__init__` is compiled; all classes share the other methods.
"""

from dataclasses import Field, FrozenInstanceError, dataclass, field, fields
from operator import attrgetter
from typing import Any, ClassVar, TypeVar, cast, dataclass_transform

_Class = TypeVar("_Class")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen_dataclass(kind: type[_Class]) -> type[_Class]:
    """As `dataclasses.dataclass(frozen=True, slots=True)`; `replace`, `fields`, `asdict` work as there.

    `__post_init__` changes a field with `object.__setattr__`, as there.
    """
    for name in ("__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__"):
        if name not in vars(kind):
            setattr(kind, name, vars(_Shared)[name])
    made: Any = dataclass(slots=True, repr=False, eq=False)(kind)
    compared = [item.name for item in fields(made) if item.compare]
    made.__compared__ = attrgetter(*compared or ["__class__"])
    return cast("type[_Class]", made)


class _Shared:
    """The methods that all classes share."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    __compared__: ClassVar[Any]

    def __repr__(self) -> str:
        values = (f"{item.name}={getattr(self, item.name)!r}" for item in fields(self) if item.repr)
        return f"{type(self).__qualname__}({', '.join(values)})"

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return bool(self.__compared__(self) == self.__compared__(other))

    def __hash__(self) -> int:
        return hash(self.__compared__(self))

    def __setattr__(self, name: str, value: object) -> None:
        if hasattr(self, name):  # `__init__` sets each field once
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")
