"""Resolving training options: fill in defaults, check everything that was set."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from cnncli.errors import UsageError
from cnncli.records.augmentation import PRESETS, Strength
from cnncli.records.training import Tune
from cnncli.text import share_hint
from cnncli.training.declaration import flag
from cnncli.training.optimizer_names import require_optimizer
from cnncli.training.options import (
    AUGMENTATION_FIELDS,
    OPTIMIZER_FAMILIES,
    TrainingOptions,
    declarations,
    optimizer_family,
)
from cnncli.training.recipes import Recipe


def resolve(tune: Tune, explicit: Mapping[str, Any], recipe: Recipe | None = None) -> TrainingOptions:
    """All options for a `--tune` that trains the network.

    Args:
        tune: any but FEATURES.
        explicit: options that were set, by name.
        recipe: defaults that take precedence over cnncli's own.

    Raises:
        UsageError: some are out of range, have no effect or contradict each other, or the recipe trains something else; all of
            them are named.
    """
    if "opt" in explicit:
        require_optimizer(explicit["opt"])
    named = dict(recipe.defaults) if recipe else {}
    options = TrainingOptions(**{**_defaults(tune, {**named, **explicit}), **named, **explicit})
    problems = [*_no_effect(tune, explicit, options), *_out_of_range(explicit)]
    if recipe and tune is not recipe.tune:
        problems = [f"--recipe {recipe.name} is for --tune {recipe.tune}, not {tune}"]
    if not problems and options.lr and options.min_lr > options.lr:
        problems = [f"--min-lr is above --lr, {options.lr:g}, so the learning rate would rise"]
    if problems:
        raise UsageError("; ".join(problems))
    return options


def require_no_training_options(explicit: Mapping[str, Any]) -> None:
    """Raise unless all options that were set apply to `--tune features`, too.

    Raises:
        UsageError: some do not; all of them are named.
    """
    if useless := [flag(name) for name in explicit if name != "batch_size"]:
        raise UsageError(
            f"{', '.join(useless)}: no effect with --tune features, which does not train the network",
            "choose --tune head, last:N, full, scratch or auto",
        )


def is_in_effect(name: str, options: TrainingOptions) -> bool:
    """Whether the options that an option depends on are set.

    A run records only such options, so that its settings can be read again.
    """
    needs = declarations()[name][1].needs
    return needs is None or needs.is_met(options)


def default_text(name: str) -> str:
    """The default of an option as text, with what it depends on: `10; scratch 30`. Empty if there is none."""
    _, option = declarations()[name]
    default = _field_default(name)
    if default is None or isinstance(default, bool):
        return option.unset
    exceptions: dict[str, object]
    if name in AUGMENTATION_FIELDS:
        exceptions = {preset: getattr(PRESETS[preset], name) for preset in Strength}
    else:
        exceptions = {tune: option.by_tune.get(tune, default) for tune in option.tunes}
    if name == "weight_decay":
        exceptions = {**{family.example: family.weight_decay for family in OPTIMIZER_FAMILIES}, **exceptions}
    text = _with_exceptions(default, exceptions)
    if name == "lr":
        text += "; " + _multiples({family.example: family.lr_factor for family in OPTIMIZER_FAMILIES})
    return text


def _with_exceptions(default: object, values: Mapping[str, object]) -> str:
    """`0.05; sgd 0.0005; rmsprop, adam 0`: the default, and the cases in which it differs."""
    cases: dict[str, list[str]] = {}
    for case, value in values.items():
        if value != default:
            cases.setdefault(_value_text(value), []).append(case)
    return "; ".join(
        [_value_text(default), *(f"{', '.join(sorted(names))} {text}" for text, names in cases.items())]
    )


def _multiples(factors: Mapping[str, float]) -> str:
    """`sgd 20 times that; lion 0.2 times that`."""
    cases: dict[float, list[str]] = {}
    for case, factor in factors.items():
        if factor != 1:
            cases.setdefault(factor, []).append(case)
    return "; ".join(f"{', '.join(sorted(names))} {factor:g} times that" for factor, names in cases.items())


def _value_text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(f"{number:.4g}" for number in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _field_default(name: str) -> Any:  # noqa: ANN401 - of any type
    return next(field.default for field in dataclasses.fields(TrainingOptions) if field.name == name)


def _defaults(tune: Tune, explicit: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults that depend on `--tune`, the optimiser or the augmentation preset."""
    family = optimizer_family(explicit.get("opt", _field_default("opt")))
    values: dict[str, Any] = {}
    for name, (_, option) in declarations().items():
        if tune in option.by_tune:
            values[name] = option.by_tune[tune]
    values["lr"] = values.get("lr", _field_default("lr")) * family.lr_factor
    values.setdefault("weight_decay", family.weight_decay)
    preset = PRESETS[explicit.get("augment", Strength.LIGHT)]
    return values | {name: getattr(preset, name) for name in AUGMENTATION_FIELDS}


def _no_effect(tune: Tune, explicit: Mapping[str, Any], options: TrainingOptions) -> Iterator[str]:
    """Options that would be accepted and ignored."""
    defaults = _defaults(tune, explicit)
    for name, value in explicit.items():
        option = declarations()[name][1]
        if tune not in option.tunes and value != defaults.get(name, _field_default(name)):
            yield f"{flag(name)} has no effect with --tune {tune}"
        if option.needs and not option.needs.is_met(options):
            yield f"{flag(name)} needs {option.needs.text}"
    if "ratio" in explicit and "scale" not in explicit and options.augment is Strength.NONE:
        yield "--ratio needs --scale, since --augment none does not crop"


def _out_of_range(explicit: Mapping[str, Any]) -> Iterator[str]:
    for name, value in explicit.items():
        option = declarations()[name][1]
        if isinstance(value, tuple):
            text = ",".join(f"{number:g}" for number in value)
            if not all(map(option.contains, value)):
                yield f"{flag(name)}: both numbers must be {option.range_text()}, not {text}"
            elif value[0] > value[1]:
                yield f"{flag(name)}: the smaller number comes first, not {text}"
        elif isinstance(value, int | float) and not isinstance(value, bool) and not option.contains(value):
            share = share_hint(value) if option.at_most <= 1 else None
            yield f"{flag(name)} must be {option.range_text()}, not {value:g}" + (
                f": {share}" if share else ""
            )
