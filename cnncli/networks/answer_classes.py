"""The classes that predictions are given in: those of a network, some of them, or groups of them."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import UsageError, WeightsError
from cnncli.networks.class_groups import ClassGroups, group_classes
from cnncli.networks.class_names import class_indices
from cnncli.networks.labels import labels, read_labels, read_name_pairs
from cnncli.networks.reference import Reference
from cnncli.networks.zero_shot import (
    ZeroShotClasses,
    find_text_tower,
    require_placeholder,
    similar_towers_hint,
)
from cnncli.records.defaults import PROMPT
from cnncli.records.networks import ModelCard
from cnncli.records.predictions import LabelStyle
from cnncli.records.progress import Progress
from cnncli.text import counted, nfc

Rollup = Mapping[str, Sequence[str]]
"""The network's classes, by the class that each is shown as."""


@frozen_dataclass
class AnswerClasses:
    """G classes that predictions are given in.

    Attributes:
        card: the network's card with their names, among which `indices` are.
        labels: G, as they are written.
        indices: G, as they are written: indices of the network's classes; of the shown classes where these are groups.
        groups: (K,), index among the G of each class of the network; None if these are all K, in the same order.
    """

    card: ModelCard
    labels: Sequence[str]
    indices: Sequence[int]
    groups: ClassGroups | None = None

    def digest(self) -> str | None:
        """The number of classes and a digest of them; None if they are the network's."""
        if self.groups is None:
            return None
        content = "\n".join(self.labels).encode("utf-8", "surrogateescape") + self.groups.tobytes()
        return f"{len(self.labels)} classes ({hashlib.sha256(content).hexdigest()[:12]})"


def answer_classes(
    card: ModelCard, style: LabelStyle, names: Sequence[str] | None, rollup: Rollup | None
) -> AnswerClasses:
    """The classes that predictions are given in.

    Args:
        card: of the network.
        style: of the labels.
        names: the only classes that can be predicted, after the rollup; None for all.
        rollup: groups of classes that are shown as one; None for none.

    Raises:
        UsageError: the network does not have a class, or its answers cannot be restricted or labelled like this.
    """
    if not names and not rollup:
        counts = [len(task.class_names) for task in card.tasks] or [len(card.class_names)]
        return AnswerClasses(card, labels(card, style), [index for count in counts for index in range(count)])
    if card.tasks:
        raise UsageError(
            f"--classes and --rollup need a model that gives each image one class; {card.name} has "
            + " and ".join(f"{task.name!r} ({task.kind.text})" for task in card.tasks),
            "leave them out",
        )
    groups: ClassGroups = np.arange(len(card.class_names))
    if rollup:
        card, groups = _roll_up(card, style, rollup)
    indices: Sequence[int] = range(len(card.class_names))
    if names:
        indices = class_indices(card, names)
        if len(indices) == 1:
            raise UsageError(
                f"--classes has only {card.class_names[indices[0]]!r}, which would be every answer",
                "give at least two classes",
            )
        places = np.full(len(card.class_names), -1, np.intp)
        places[indices] = np.arange(len(indices))
        groups = places[groups]
    all_labels = labels(card, style)
    return AnswerClasses(card, [all_labels[index] for index in indices], indices, groups)


def _roll_up(card: ModelCard, style: LabelStyle, rollup: Rollup) -> tuple[ModelCard, ClassGroups]:
    """The card with the classes that are shown, and the group of each class of the network.

    A class that is in no group is shown under its own name, and joins the group of this name if there is one.
    """
    if style is not LabelStyle.NAME:
        raise UsageError(f"--rollup gives classes new names, which have no {style}", "use --label-style name")
    members = {shown: class_indices(card, names) for shown, names in rollup.items()}
    shown_as: dict[int, str] = {}
    for shown, indices in members.items():
        for index in indices:
            if index in shown_as:
                raise UsageError(
                    f"--rollup shows {card.class_names[index]!r} both as {shown_as[index]!r} and as {shown!r}",
                    "give each class of the model one class to show",
                )
            shown_as[index] = shown
    for index, name in enumerate(card.class_names):
        if index not in shown_as and name in members:
            members[name].append(index)
    names, groups = group_classes(list(members.items()), card.class_names, keep_others=True)
    return dataclasses.replace(card, class_names=names, synsets=None), groups


def choose_classes(
    reference: Reference, names: tuple[str, ...] | None, prompt: str | None, progress: Progress
) -> tuple[Reference, tuple[str, ...] | None]:
    """What names mean for a network: they become its classes, or are those of its own classes that can be predicted.

    Args:
        reference: to the network.
        names: of the classes; None for its own.
        prompt: the text for a class, with {} for its name; None for the default.
        progress: reports if the text tower turns the names into classes.

    Returns:
        The network with its classes, and the names that the answer is restricted to; None for no restriction.

    Raises:
        UsageError: the network has neither classes nor a text tower, or these names cannot become classes.
    """
    if prompt is not None:
        require_placeholder(prompt)
        if names is None:
            raise UsageError("--prompt needs --classes", "add --classes 'lemon, orange, bell pepper'")
    if names is None:
        return reference, None
    if name := find_text_tower(reference.name):
        progress.notice(
            f"zero-shot: the text tower of {name} turns {counted(len(names), 'name')} into classes"
        )
        zero_shot = ZeroShotClasses(names, prompt or PROMPT)
        return dataclasses.replace(reference, name=name, zero_shot=zero_shot), None
    from cnncli.networks.index import gives_features_only  # rarely needed

    if not reference.weights and gives_features_only(reference.name):
        raise UsageError(
            f"{reference.name} has no classes, and no text tower that could turn the names in --classes into some",
            similar_towers_hint(reference.name),
        )
    if prompt is not None:
        raise UsageError(
            f"--prompt: {reference.name} has no text tower, and --classes only restricts its answers",
            "omit --prompt",
        )
    return reference, names


def read_class_list(text: str) -> tuple[str, ...]:
    """Class names from `a,b,c`, or from a file with one per line, as `@FILE`.

    Raises:
        UsageError: there is no name, or the file cannot be read.
    """
    if text.startswith("@"):
        try:
            return read_labels(Path(text[1:]))
        except WeightsError as error:
            raise UsageError(f"--classes: {error.message}", error.hint) from error
    names = tuple(name for word in text.split(",") if (name := word.strip()))
    if not names:
        raise UsageError("--classes is empty", "give at least two classes: --classes ants,bees")
    return names


def read_rollup(file: Path) -> Rollup:
    """The classes that a network's classes are shown as: two columns of a CSV or TSV file, the network's class first.

    Raises:
        UsageError: the file cannot be read, or is not such a list.
    """
    rollup: dict[str, list[str]] = {}
    for name, shown in read_name_pairs(file, "--rollup", ("the model's name", "the name to show")):
        rollup.setdefault(nfc(shown), []).append(name)
    if not rollup:
        raise UsageError(
            f"--rollup {file} is empty", "each line needs a class of the model and the class to show"
        )
    return rollup
