"""The settings of a run from what a user or a program asks for."""

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

from cnncli.errors import MissingPackageError, UsageError
from cnncli.networks.reference import Reference
from cnncli.records.choices import TrackerName
from cnncli.records.progress import Progress
from cnncli.records.training import RecipeName, Tune
from cnncli.text import install_command
from cnncli.training.recipes import RECIPES
from cnncli.training.resolve import require_no_training_options, resolve
from cnncli.training.settings import FeatureSettings, NetworkSettings, choose_tune


def requested_settings(
    reference: Reference,
    tune: str | None,
    recipe: RecipeName | None,
    explicit: Mapping[str, Any],
    progress: Progress,
    track: Sequence[TrackerName] = (),
    **shared: Any,  # noqa: ANN401 - fields of FinetuneSettings
) -> FeatureSettings | NetworkSettings:
    """The settings of a run.

    Args:
        reference: the network to start from.
        tune: `auto`, `features`, `head`, `last:2`, `full` or `scratch`; None for what the recipe trains, else `auto`.
        recipe: a set of defaults; None for cnncli's own.
        explicit: training options that were set, by name.
        progress: reports if `auto` becomes `scratch`.
        track: trackers that the run is logged to.
        shared: the other fields of `FinetuneSettings`.

    Raises:
        CnncliError: the options contradict each other, or the network cannot be trained like this.
    """
    defaults = RECIPES[recipe] if recipe else None
    requested, stages = _parse_tune(tune or (defaults.tune if defaults else Tune.AUTO))
    final = choose_tune(requested, reference, progress)
    shared |= {
        "reference": reference,
        "batch_size": explicit.get("batch_size"),
        "track": _choose_trackers(track),
    }
    if final is Tune.FEATURES and not defaults:
        require_no_training_options(explicit)
        return FeatureSettings(**shared)
    return NetworkSettings(
        **shared,
        tune=final,
        stages=stages,
        options=resolve(final, explicit, defaults),
        recipe=recipe,
        may_shorten="epochs" not in explicit,
    )


def _parse_tune(text: str) -> tuple[Tune, int]:
    """`last:2` as (last, 2).

    Raises:
        UsageError: there is no such value.
    """
    name, colon, number = text.partition(":")
    if name in set(Tune) and (name == Tune.LAST) == bool(colon) and (not colon or number.isdecimal()):
        stages = int(number or 0)
        if stages or not colon:
            return Tune(name), stages
    raise UsageError(
        f"unknown --tune value {text!r}",
        "use auto, features, head, last:N (e.g. last:2), full or scratch",
    )


def _choose_trackers(names: Sequence[TrackerName]) -> tuple[TrackerName, ...]:
    """The trackers, each once.

    Raises:
        UsageError: `none` is among others.
        MissingPackageError: the package of one is not installed.
    """
    chosen = tuple(dict.fromkeys(names))
    if chosen == (TrackerName.NONE,):
        return ()
    if TrackerName.NONE in chosen:
        raise UsageError("--track none cannot be combined with a tracker", "leave one of them out")
    for name in chosen:
        if importlib.util.find_spec(name) is None:
            raise MissingPackageError(
                f"--track {name} needs the package {name}",
                f"{install_command(f'cnncli[{name}]')}; --track none does without",
            )
    return chosen
