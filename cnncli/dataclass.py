"""Frozen dataclasses that are quick to define.

`dataclasses.dataclass(frozen=True)` compiles six methods for every class, and one prediction needs more than 60 classes. Here only
`__init__` is compiled; all classes share the other methods.
"""

from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from operator import attrgetter
from typing import Any, ClassVar, TypeVar, cast, dataclass_transform

_Class = TypeVar("_Class")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen_dataclass(kind: type[_Class]) -> type[_Class]:
    """As `dataclasses.dataclass(frozen=True, slots=True)`; `replace`, `fields`, `asdict` work as there.

    `__post_init__` changes a field with `object.__setattr__`, as there. `InitVar`, `field(init=False)` and `field(hash=...)` are not
    supported.
    """
    for name, method in vars(_Shared).items():
        if callable(method) and name not in vars(kind):
            setattr(kind, name, method)
    new_class: Any = dataclass(slots=True, init=False, repr=False, eq=False)(kind)
    new_class.__init__ = _compile_init(new_class)
    compared = [item.name for item in fields(new_class) if item.compare]
    new_class.__compared_values__ = attrgetter(*compared, "__class__")
    return cast("type[_Class]", new_class)


class _Shared:
    """The methods that all classes share."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    __compared_values__: ClassVar[Any]

    def __repr__(self) -> str:
        values = (f"{item.name}={getattr(self, item.name)!r}" for item in fields(self) if item.repr)
        return f"{type(self).__qualname__}({', '.join(values)})"

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return bool(self.__compared_values__(self) == self.__compared_values__(other))

    def __hash__(self) -> int:
        return hash(self.__compared_values__(self))

    def __setattr__(self, name: str, _: object) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __getstate__(self) -> list[object]:
        return [getattr(self, item.name) for item in fields(self)]

    def __setstate__(self, values: list[object]) -> None:
        for item, value in zip(fields(self), values, strict=True):
            object.__setattr__(self, item.name, value)


_NOT_GIVEN = object()


def _compile_init(kind: Any) -> Callable[..., None]:  # noqa: ANN401 - any dataclass
    positional, keywords, lines = ["self"], ["*"], ["pass"]
    names: dict[str, Any] = {"_set": object.__setattr__, "_not_given": _NOT_GIVEN}
    for item in fields(kind):
        parameter = value = item.name
        if item.default_factory is not MISSING:
            names[f"_new_{item.name}"] = item.default_factory
            parameter += "=_not_given"
            value = f"_new_{item.name}() if {item.name} is _not_given else {item.name}"
        elif item.default is not MISSING:
            names[f"_default_{item.name}"] = item.default
            parameter += f"=_default_{item.name}"
        (keywords if item.kw_only else positional).append(parameter)
        lines.append(f"_set(self, {item.name!r}, {value})")
    if hasattr(kind, "__post_init__"):
        lines.append("self.__post_init__()")
    parameters = ", ".join(positional + keywords if len(keywords) > 1 else positional)
    exec(f"def __init__({parameters}):\n " + "\n ".join(lines), names)  # noqa: S102 - our own text
    init: Callable[..., None] = names["__init__"]
    init.__qualname__, init.__module__ = f"{kind.__qualname__}.__init__", kind.__module__
    init.__annotations__ = {item.name: item.type for item in fields(kind)} | {"return": None}
    return init
