"""`--layer`: fine-tuning starts from the part of a network up to a layer, whose pooled output is its embedding.

The cut network is prepared like any other, once: a feature extractor, with a model folder in the cache.
"""

import dataclasses
from typing import TYPE_CHECKING

from cnncli.errors import UsageError
from cnncli.networks import cache, model_folder
from cnncli.networks.dependencies import explain_missing_packages
from cnncli.networks.model_folder import ModelFolder
from cnncli.networks.prepared import MADE_FROM
from cnncli.prepare import UntrainedNetwork, prepare, resolve_untrained, write_model_folder
from cnncli.records.networks import Architecture, Cut, HeadKind, Preprocessing
from cnncli.records.progress import Progress
from cnncli.records.training import Tune
from cnncli.training.features.replace_head import require_replaceable_head
from cnncli.training.settings import FinetuneSettings

if TYPE_CHECKING:
    from torch import nn

_INSIDE = "network."
"""Prefix of the layers and weights of the whole network in one that is cut or has a separate classifier."""

_DIGEST_SHOWN = 12
"""Hexadecimal digits of the weights' digest in the name of a cut network."""


def prepare_start(settings: FinetuneSettings, progress: Progress, *, is_offline: bool) -> ModelFolder:
    """The network that fine-tuning starts from, cut at `--layer` if that is set.

    Args:
        settings: of the run.
        progress: reports what takes time.
        is_offline: download nothing.

    Raises:
        CnncliError: there is no such network, it cannot be trained further, or it cannot be cut there.
    """
    folder = prepare(settings.reference, progress, is_offline=is_offline)
    require_replaceable_head(folder)
    if folder.is_exported and (settings.layer or settings.tune is not Tune.FEATURES):
        raise model_folder.no_weights_error(folder.card.name)
    return _prepare_cut(folder, settings.layer, progress) if settings.layer else folder


def resolve_start(settings: FinetuneSettings, progress: Progress, *, is_offline: bool) -> UntrainedNetwork:
    """As `prepare_start`, for a network that is trained from random weights."""
    whole = resolve_untrained(settings.reference, progress, is_offline=is_offline)
    if not settings.layer:
        return whole
    cut = _cut_at(settings.layer, whole.architecture, whole.preprocessing)
    return dataclasses.replace(
        whole, name=f"{whole.name}{MADE_FROM}{cut.layer}", architecture=_part(whole.architecture, cut)
    )


def _cut_at(layer: str, architecture: Architecture, preprocessing: Preprocessing) -> Cut:
    """A cut of the network that a library builds, by a layer's name there or in the network around it."""
    if _is_inside(architecture):
        layer = layer.removeprefix(_INSIDE)
    return Cut(layer, preprocessing.size, architecture.whole().num_classes)


def _part(architecture: Architecture, cut: Cut) -> Architecture:
    """The part of a network before a cut, as a feature extractor; an earlier cut no longer counts."""
    return dataclasses.replace(architecture.whole(), num_classes=0, cut=cut)


def _is_inside(architecture: Architecture) -> bool:
    """Whether the whole network is inside another module."""
    head = architecture.head
    return architecture.cut is not None or (head is not None and head.kind is not HeadKind.NEIGHBOURS)


def _prepare_cut(folder: ModelFolder, layer: str, progress: Progress) -> ModelFolder:
    """The model folder of a network that is cut at a layer; it is made if it does not exist yet."""
    card = folder.card
    cut = _cut_at(layer, card.architecture, card.preprocessing)
    name = f"{card.name}{MADE_FROM}{cut.layer}-{folder.digest[:_DIGEST_SHOWN]}"
    target = cache.folder_path(name)
    if not model_folder.is_model_folder(target):
        cache.require_writable()
        with explain_missing_packages(f"cutting {card.name}"), progress.activity(f"preparing {name}"):
            architecture = _part(card.architecture, cut)
            network = _load(folder, architecture, layer)
            part = dataclasses.replace(
                card,
                name=name,
                architecture=architecture,
                class_names=(),
                synsets=None,
                metrics=(),
                tasks=(),
            )
            with model_folder.draft_folder(target) as draft:
                write_model_folder(draft, network, part)
        progress.notice(f"prepared {name} (only needed once); saved in {target}")
    return model_folder.open_folder(target)


def _load(folder: ModelFolder, architecture: Architecture, layer: str) -> "nn.Module":
    """The cut network with the weights of the whole one.

    Raises:
        UsageError: it cannot be cut at this layer.
    """
    from safetensors.torch import load_file

    from cnncli.networks import zoo
    from cnncli.networks.zoo import weights

    network = zoo.build(architecture)
    prefix = "" if _is_inside(folder.card.architecture) else _INSIDE
    tensors = {f"{prefix}{name}": tensor for name, tensor in load_file(folder.weights).items()}
    expected = network.state_dict().keys()
    if any(name not in tensors and not weights.is_optional(name) for name in expected):
        raise UsageError(
            f"{layer} depends on weights that {folder.card.name} no longer has", "name an earlier layer"
        )
    weights.load_into(
        network, {name: tensors[name] for name in expected if name in tensors}, str(folder.weights)
    )
    return network
