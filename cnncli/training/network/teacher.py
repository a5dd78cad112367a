"""Distillation: a finished network as the teacher of another one (Hinton et al., 2015)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from cnncli.errors import UsageError
from cnncli.evaluation.classes import classes_named
from cnncli.networks import zoo
from cnncli.networks.model_folder import ModelFolder
from cnncli.networks.reference import Reference
from cnncli.networks.weights import load_saved
from cnncli.prepare import prepare
from cnncli.records.networks import Preprocessing
from cnncli.records.progress import Progress


@dataclass(frozen=True, slots=True)
class Teacher:
    """A network in evaluation mode whose answers are matched.

    Attributes:
        network: it.
        folder: whose card says what it was trained to see.
        columns: (K,), where each of the classes stands among its logits.
    """

    network: nn.Module
    folder: ModelFolder
    columns: tuple[int, ...]

    def logits(self, images: Tensor, how: Preprocessing) -> Tensor:
        """(N, K) for images (N, C, H, W) that were normalised for another network."""
        own = self.folder.card.preprocessing
        if (own.mean, own.std) != (how.mean, how.std):
            images = images * _column(how.std, images) + _column(how.mean, images)
            images = (images - _column(own.mean, images)) / _column(own.std, images)
        if images.shape[2:] != own.size:
            images = functional.interpolate(images, own.size, mode="bilinear", antialias=True)
        with torch.no_grad():
            logits: Tensor = self.network(images)
        return logits[:, list(self.columns)]


def open_teacher(name: Path, class_names: tuple[str, ...], progress: Progress) -> Teacher:
    """The network to learn from, and where it has the classes: by their names, or by their WordNet identifiers.

    Raises:
        UsageError: it does not know a class, or two are the same to it.
    """
    folder = prepare(Reference(str(name)), progress, needs_classes=True)
    places = classes_named(folder.card, class_names)
    missing = [label for label, place in zip(class_names, places, strict=True) if place is None]
    if missing:
        raise UsageError(
            f"--kd-model {name} does not know {len(missing):,} of the classes, as {missing[0]!r}",
            "a teacher has to know each class of the data by a name, or WordNet identifier, that only one of its own has",
        )
    found = [place for place in places if place is not None]
    if twice := [place for place in found if found.count(place) > 1]:
        both = [label for label, place in zip(class_names, found, strict=True) if place == twice[0]]
        raise UsageError(
            f"{' and '.join(map(repr, both))} are both {folder.card.class_names[twice[0]]!r} to --kd-model {name}",
            "a teacher has to tell all classes of the data apart",
        )
    network = zoo.build(folder.card.architecture)
    load_saved(network, folder.weights)
    network.requires_grad_(requires_grad=False)
    return Teacher(network, folder, tuple(found))


def _column(values: Sequence[float], like: Tensor) -> Tensor:
    """(C, 1, 1), to go with images (N, C, H, W)."""
    return torch.tensor(values, dtype=torch.float32, device=like.device)[:, None, None]
