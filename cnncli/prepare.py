"""A reference to an open engine: finds the model folder, or makes it, once.

The only way from a typed name to a network that runs. With a prepared folder and a CPU nothing of torch
is imported.
"""

import dataclasses
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cnncli import __version__
from cnncli.errors import (
    CompileError,
    ModelFolderError,
    ModelNotFoundError,
    OutputError,
    UsageError,
    WeightsError,
)
from cnncli.networks import cache, downloads, model_folder
from cnncli.networks import card as cards
from cnncli.networks.dependencies import explain_missing_packages
from cnncli.networks.labels import read_labels
from cnncli.networks.model_folder import ModelFolder, no_classes, require_classes
from cnncli.networks.packaged import packaged
from cnncli.networks.prepared import find_finished, find_prepared
from cnncli.networks.reference import HUB, Reference
from cnncli.records.networks import (
    Architecture,
    Compilation,
    Embedding,
    ModelCard,
    PackageVersion,
    Preprocessing,
)
from cnncli.records.progress import Progress

if TYPE_CHECKING:
    from torch import nn

    from cnncli.networks.embedding import WithEmbedding
    from cnncli.networks.weights import StateDict
    from cnncli.networks.zoo.offer import Offer

_USUAL_CLASSES = 1000

_DIGEST_SHOWN = 12
"""Hexadecimal digits that tell prepared folders of local weights apart."""


def prepare(
    reference: Reference,
    progress: Progress,
    *,
    is_offline: bool = False,
    needs_classes: bool = False,
    save_as: str | None = None,
) -> ModelFolder:
    """The model folder that a reference leads to; made if it is not there yet.

    Args:
        reference: what was asked for.
        progress: hears what takes time.
        is_offline: use what is in the caches, download nothing.
        needs_classes: features alone are not enough.
        save_as: a free name of its own for the prepared network (`networks.prepared.require_free_name`).

    Raises:
        CnncliError: the reference leads nowhere, its weights cannot be had or do not fit, or the cache
            cannot be written.
    """
    if not reference.pretrained:
        progress.warning(f"{reference.name} has random weights: its answers mean nothing")
    if save_as and (find_finished(reference) or reference.is_exported):
        raise UsageError(
            f"--save-as: {reference.name} is already a model folder",
            f"use it by its path: -m {reference.name}",
        )
    if not save_as and (path := find_prepared(reference)):
        folder = model_folder.open_folder(path)
        return require_classes(folder) if needs_classes else folder
    if reference.is_exported:
        return _unpacked(reference, progress)
    _require_known(reference, needs_classes=needs_classes)
    if is_offline or downloads.forbidden():
        _require_downloaded(reference)
    start = time.perf_counter()
    with explain_missing_packages(f"preparing {reference.name}"):
        folder = _made(reference, progress, is_offline=is_offline, save_as=save_as)
    if not save_as:
        _remember(reference, folder.card.name, progress)
    seconds = time.perf_counter() - start
    progress.notice(f"prepared {folder.card.name} in {seconds:.1f} s, once; it is kept in {folder.path}")
    return require_classes(folder) if needs_classes else folder


@dataclass(frozen=True, slots=True)
class Untrained:
    """A network without weights: what scratch begins with.

    Attributes:
        name: of the network.
        architecture: with the classes that its library gives it.
        preprocessing: what its published weights were trained to see, or what is usual.
    """

    name: str
    architecture: Architecture
    preprocessing: Preprocessing


def untrained(reference: Reference, progress: Progress, *, is_offline: bool = False) -> Untrained:
    """What a reference stands for, its weights aside; nothing is prepared.

    Raises:
        CnncliError: the reference leads nowhere, or the network cannot take that image size.
    """
    if path := find_finished(reference):
        card = model_folder.open_folder(path).card
        return Untrained(card.name, card.architecture, card.preprocessing)
    if reference.is_exported:
        raise model_folder.without_weights(reference.name)
    _require_known(reference)
    with explain_missing_packages(f"training {reference.name}"):
        offer = _offer(reference, progress, is_offline=is_offline)
    name = (
        offer.architecture.name if offer.architecture.library == "blueprint" else offer.name.partition(".")[0]
    )
    return Untrained(name, offer.architecture, offer.preprocessing)


def _require_known(reference: Reference, *, needs_classes: bool = False) -> None:
    """See that a name is in the index, before seconds go into asking the libraries themselves.

    Raises:
        ModelNotFoundError: it is not, and the libraries here are those that the index was made from.
        UsageError: classes are needed, and it gives features only.
    """
    from cnncli.networks import index

    name = reference.name
    if hint := index.unknown(name):
        raise _not_found(name, f"no network is called {name!r}", hint)
    if needs_classes and reference.weights is None and index.gives_features_only(name):
        raise no_classes(name)


def _require_downloaded(reference: Reference) -> None:
    """See that a cache may hold the weights, before seconds go into importing what would look closer.

    Raises:
        WeightsError: none does, and nothing may be downloaded.
    """
    from cnncli.networks import index

    if reference.weights or not reference.pretrained:
        return
    package = packaged(reference.name)
    if package and package.find():
        return
    places = index.places(reference.name)
    if places and not any(map(downloads.may_hold, places)):
        raise WeightsError(
            f"the weights of {reference.name} are neither in {downloads.hub_cache()} nor in "
            f"{downloads.torch_cache()}, and offline nothing is downloaded",
            package.hint if package else downloads.WITHOUT,
        )


def _not_found(name: str, message: str, hint: str | None) -> ModelNotFoundError:
    """Where a folder has that name, its user may have meant it."""
    if os.path.isdir(name):  # noqa: PTH112 - says no where a name is too long, too
        return ModelNotFoundError(f"the folder {name} has no card.json, and {message}")
    return ModelNotFoundError(message, hint)


# ---- making a model folder


def _unpacked(reference: Reference, progress: Progress) -> ModelFolder:
    """The model folder of an exported file, made once."""
    file = Path(reference.name).expanduser()
    target = cache.place(f"{file.stem}+{model_folder.sha256(file)[:_DIGEST_SHOWN]}")
    if not model_folder.is_model_folder(target):
        cache.require_writable()
        with explain_missing_packages(f"reading {file}"), model_folder.drafted(target) as draft:
            from cnncli.engines.exported import unpack

            card = dataclasses.replace(unpack(file, draft), name=target.name)
            model_folder.seal(draft, card)
    _remember(reference, target.name, progress)
    return model_folder.open_folder(target)


def _remember(reference: Reference, name: str, progress: Progress) -> None:
    try:
        cache.remember(reference.key(), name)
    except OutputError as error:
        progress.warning(error.message)


@dataclass(frozen=True, slots=True)
class _Weights:
    """What a network gets: tensors (None keeps it random), their file, their origin."""

    tensors: "StateDict | None"
    file: str
    origin: str


def _made(reference: Reference, progress: Progress, *, is_offline: bool, save_as: str | None) -> ModelFolder:
    """Build the network, give it its weights, compile it, and store all three."""
    is_on_hub = reference.name.startswith(HUB)  # asking for it may download, which has a bar of its own
    with progress.activity(f"loading torch and timm to prepare {reference.name}"):
        from cnncli.networks import zoo

        offer = None if is_on_hub else _offer(reference, progress, is_offline=is_offline)
    offer = offer or _offer(reference, progress, is_offline=is_offline)
    name = save_as or offer.name + _suffix(reference)
    target = cache.place(name)
    if model_folder.is_model_folder(target):  # prepared before, under another spelling
        return _same(model_folder.open_folder(target), name)
    cache.require_writable()
    given = _weights(reference, offer, progress, is_offline=is_offline)
    with progress.activity(f"preparing {offer.name}: building, compiling and verifying it"):
        network, architecture = _network(offer, given, is_local=reference.weights is not None)
        class_names, synsets = _classes(reference, offer, architecture.num_classes, progress)
        card = ModelCard(
            name=name,
            architecture=architecture,
            preprocessing=_for_channels(offer.preprocessing, architecture.channels),
            class_names=class_names,
            synsets=synsets,
            embedding=Embedding(0, "", gives_logits=False),
            weights_origin=given.origin,
            compilation=Compilation("not compiled yet"),
            files=(),
            versions=tuple(
                PackageVersion(*item) for item in ({"cnncli": __version__} | zoo.versions()).items()
            ),
        )
        cards.from_json(cards.to_json(card), offer.name)  # whatever the hub says of it, it has to make sense
        with model_folder.drafted(target) as draft:
            write(draft, network, card)
    return model_folder.open_folder(target)


def _same(folder: ModelFolder, name: str) -> ModelFolder:
    """The folder, unless another network has taken its place."""
    if folder.card.name != name:
        raise ModelFolderError(
            f"{folder.path} holds {folder.card.name} where {name} belongs",
            "delete it with `cnncli models rm`",
        )
    return folder


def _offer(reference: Reference, progress: Progress, *, is_offline: bool) -> "Offer":
    """What the name stands for."""
    from cnncli.networks import hub_repository, zoo

    if reference.name.startswith(HUB):
        return hub_repository.offer(reference.name, reference.image_size, progress, is_offline=is_offline)
    try:
        return zoo.offer(reference.name, reference.image_size)
    except ModelNotFoundError as error:
        raise _not_found(reference.name, error.message, error.hint) from error


def _suffix(reference: Reference) -> str:
    """What tells networks of one name apart: other weights, other labels, another image size."""
    told = [model_folder.sha256(reference.labels)[:_DIGEST_SHOWN]] if reference.labels else []
    if not reference.pretrained:
        told.insert(0, "random")
    elif reference.weights:
        told.insert(0, model_folder.sha256(reference.weights)[:_DIGEST_SHOWN])
    size = ["{}x{}".format(*reference.image_size)] if reference.image_size else []
    return "".join(f"+{part}" for part in ["-".join(told), *size] if part)


def _weights(reference: Reference, offer: "Offer", progress: Progress, *, is_offline: bool) -> _Weights:
    if not reference.pretrained:
        return _Weights(None, "", "random")
    from cnncli.networks.weights import read_state_dict

    if reference.weights:
        tensors = read_state_dict(reference.weights, progress)
        name, digest = reference.weights.name, model_folder.sha256(reference.weights)
        return _Weights(tensors, name, f"{name}, SHA-256 {digest}")
    if offer.published is None:
        raise WeightsError(
            f"nobody published weights for {offer.name}",
            "give --weights FILE, or try it with --no-pretrained",
        )
    file, origin = _published_file(offer, offer.published, progress, is_offline=is_offline)
    return _Weights(read_state_dict(file, progress), file.name, f"{file.name} as published for {origin}")


def _published_file(
    offer: "Offer", published: "downloads.Published", progress: Progress, *, is_offline: bool
) -> tuple[Path, str]:
    """The file with an offer's published weights, and where it came from: an installed package, else a server or its cache."""
    from cnncli.networks import hub

    package = packaged(offer.name)
    if package and (file := package.find()):
        return package.verify(file), f"{offer.name}, from the package {package.package}: {package.source}"
    try:
        return hub.fetch(published, progress, is_offline=is_offline), offer.name
    except WeightsError as error:
        if package is None:
            raise
        raise WeightsError(error.message, package.hint) from error


def _network(offer: "Offer", given: _Weights, *, is_local: bool) -> "tuple[nn.Module, Architecture]":
    """The network with its weights, and the architecture with as many classes and channels as they know."""
    from cnncli.networks import weights, zoo

    architecture = offer.architecture
    network = zoo.build(architecture)
    if is_local and given.tensors and not architecture.num_classes:
        own = zoo.adapted(given.tensors, network, architecture)
        if own.keys() - network.state_dict().keys():  # more than the backbone: a classifier
            architecture = dataclasses.replace(architecture, num_classes=_USUAL_CLASSES)
            network = zoo.build(architecture)
    if given.tensors is None:
        return network, architecture
    tensors = zoo.adapted(given.tensors, network, architecture)
    found, expected = weights.shapes(tensors), weights.shapes(network.state_dict())
    fitted = dataclasses.replace(
        architecture,
        num_classes=weights.inferred_classes(found, expected, architecture.num_classes),
        channels=weights.inferred_channels(found, expected, architecture.channels),
    )
    if fitted != architecture:
        network = zoo.build(fitted)
    weights.load_into(network, tensors, given.file)
    return network, fitted


def _for_channels(how: Preprocessing, channels: int) -> Preprocessing:
    """The same preprocessing for grey images: mean and deviation are those of the colours, averaged."""
    if channels == how.channels:
        return how
    mean, std = (sum(values) / len(values) for values in (how.mean, how.std))
    return dataclasses.replace(how, channels=channels, mean=(mean,), std=(std,), fill=how.fill[:channels])


def _classes(
    reference: Reference, offer: "Offer", count: int, progress: Progress
) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """Names of the classes, and their synsets where they have any; no names where the outputs are no classes."""
    from cnncli.networks import zoo

    if not offer.has_classes and count == offer.architecture.num_classes:
        if reference.labels:
            raise WeightsError(
                f"{offer.name} has no classes to name: it outputs features", "leave --labels out"
            )
        return (), None
    if reference.labels:
        names = read_labels(reference.labels)
        if len(names) != count:
            raise WeightsError(f"{reference.labels} names {len(names):,} classes, the network has {count:,}")
        return names, None
    if offer.class_names and len(offer.class_names) == count:
        return offer.class_names, zoo.synsets(offer)
    if offer.architecture.num_classes != count or reference.pretrained:
        progress.notice(f"the names of the {count:,} classes are not known; give them with --labels FILE")
    return tuple(f"class {index}" for index in range(count)), None


def write(draft: Path, network: "nn.Module", card: ModelCard) -> ModelFolder:
    """All files of a model folder: weights, graph where possible, card.

    Args:
        draft: the folder to write to.
        network: in evaluation mode, on the CPU.
        card: of the network; what writing it finds out is put right.

    Raises:
        CompileError: the network has no layer that gives logits, or does not run on its images.
        OSError: it cannot be written.
    """
    from cnncli.networks.embedding import with_embedding
    from cnncli.networks.weights import save_state_dict

    shape = (card.preprocessing.channels, *card.preprocessing.size)
    wrapped = with_embedding(network, shape, has_last_layer=not card.is_feature_extractor)
    save_state_dict(network, draft / model_folder.WEIGHTS)
    compilation = _compilation(wrapped, shape, draft / model_folder.GRAPH)
    card = dataclasses.replace(card, embedding=wrapped.embedding(shape), compilation=compilation)
    return model_folder.seal(draft, card)


def _compilation(network: "WithEmbedding", shape: tuple[int, int, int], file: Path) -> Compilation:
    from cnncli.engines.compile import compile_network

    try:
        comparison = compile_network(network, shape, file)
    except CompileError as error:
        return Compilation(error.message)
    return Compilation(None, comparison.largest_difference, comparison.spread)
