"""From a reference to a model folder: finds it, or makes it once.

If the folder exists, torch is not imported.
"""

import dataclasses
import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cnncli import __version__
from cnncli.dataclass import frozen_dataclass
from cnncli.errors import (
    CompileError,
    ModelNotFoundError,
    OutputError,
    UsageError,
    WeightsError,
)
from cnncli.networks import cache, model_folder
from cnncli.networks import card as cards
from cnncli.networks.dependencies import explain_missing_packages
from cnncli.networks.labels import read_labels
from cnncli.networks.model_folder import ModelFolder, require_classes
from cnncli.networks.prepared import (
    MADE_FROM,
    find_card,
    find_finished,
    find_prepared,
    require_same,
    warn_hidden_folder,
)
from cnncli.networks.reference import HUB, Reference
from cnncli.networks.saved import identifying_files
from cnncli.records.networks import (
    Architecture,
    Compilation,
    Embedding,
    ModelCard,
    PackageVersion,
    Preprocessing,
)
from cnncli.records.progress import Progress
from cnncli.records.tasks import INDICATOR_TASK, AnswerKind, Task
from cnncli.text import is_url

if TYPE_CHECKING:
    from torch import nn

    from cnncli.networks.zoo.embedding import WithEmbedding
    from cnncli.networks.zoo.offer import Offer

_DIGEST_SHOWN = 12
"""Hexadecimal digits of a digest in the name of a folder prepared from a local file."""


_THRESHOLD = 0.5
"""Probability from which a class is an answer, where a network does not say."""


def prepare(
    reference: Reference,
    progress: Progress,
    *,
    is_offline: bool = False,
    needs_classes: bool = False,
    save_as: str | None = None,
) -> ModelFolder:
    """The model folder of a reference; it is made if it does not exist yet.

    Args:
        reference: what the user named.
        progress: reports what takes time.
        is_offline: use only what is in the caches; download nothing.
        needs_classes: refuse a network without a classifier.
        save_as: name for the prepared network, checked with `networks.prepared.require_free_name`.

    Raises:
        CnncliError: the reference stands for nothing, its weights are unavailable or do not fit, or the cache cannot be
            written.
    """
    if is_url(reference.name):
        from cnncli.networks.remote_models import copy_model  # rarely needed

        copy_model(reference.name, progress, is_offline=is_offline)
    warn_hidden_folder(reference, progress)
    if not reference.pretrained:
        progress.warning(f"{reference.name} has random weights: its predictions are meaningless")
    if save_as and find_finished(reference):
        raise UsageError(
            f"--save-as: {reference.name} is already a model folder",
            f"use it by its path: -m {reference.name}",
        )
    # Reads the files that the user named: those that do not exist are reported here.
    path = find_prepared(reference)
    if path and not save_as:
        folder = model_folder.open_folder(path)
        return require_classes(folder) if needs_classes else folder
    if reference.is_exported or reference.has_only_graph:
        return _prepare_file(reference, save_as, progress)
    require_preparable(reference, is_offline=is_offline, needs_classes=needs_classes)
    start = time.perf_counter()
    with explain_missing_packages(f"preparing {reference.name}"):
        folder = _make_folder(reference, progress, is_offline=is_offline, save_as=save_as)
    if not save_as:
        _remember(reference, folder.card.name, progress)
    seconds = f"{time.perf_counter() - start:.1f} s"
    progress.notice(f"prepared {folder.card.name} in {seconds} (only needed once); saved in {folder.path}")
    return require_classes(folder) if needs_classes else folder


def require_preparable(
    reference: Reference, *, is_offline: bool = False, needs_classes: bool = False
) -> None:
    """Check whatever can be known of an unprepared network before anything takes time; arguments as for `prepare`.

    Raises:
        CnncliError: the reference stands for nothing, its weights are unavailable, or its labels cannot be read.
    """
    from cnncli.networks.availability import require_available
    from cnncli.networks.known import require_known

    require_known(reference, needs_classes=needs_classes)
    with explain_missing_packages(f"preparing {reference.name}"):
        require_available(reference, is_offline=is_offline)
    if reference.labels:
        read_labels(reference.labels)


@frozen_dataclass
class UntrainedNetwork:
    """A network without weights, to be trained from scratch.

    Attributes:
        name: its name.
        architecture: its architecture, with its library's number of classes.
        preprocessing: preprocessing of its published weights, or its library's default.
    """

    name: str
    architecture: Architecture
    preprocessing: Preprocessing


def resolve_untrained(
    reference: Reference, progress: Progress, *, is_offline: bool = False
) -> UntrainedNetwork:
    """The network that a reference stands for, without its weights; nothing is prepared.

    Raises:
        CnncliError: the reference stands for nothing, or the network does not support that image size.
    """
    warn_hidden_folder(reference, progress)
    if card := find_card(reference, progress, is_offline=is_offline):
        return UntrainedNetwork(card.name, card.architecture, card.preprocessing)
    if reference.is_exported:
        raise model_folder.no_weights_error(reference.name)
    from cnncli.networks.known import require_known

    require_known(reference)
    with explain_missing_packages(f"training {reference.name}"):
        offer = _find_offer(reference, progress, is_offline=is_offline)
    name = (
        offer.architecture.name if offer.architecture.library == "blueprint" else offer.name.partition(".")[0]
    )
    return UntrainedNetwork(name, offer.architecture, offer.preprocessing)


# ---- making a model folder


def _prepare_file(reference: Reference, save_as: str | None, progress: Progress) -> ModelFolder:
    """The model folder of an ONNX file; from then on, the file needs no options."""
    with explain_missing_packages(f"reading {reference.name}"):
        from cnncli.engines.onnx_files import prepare_file

        folder = prepare_file(reference, save_as, progress)
    for known in {reference, Reference(reference.name)}:
        _remember(known, folder.card.name, progress)
    return folder


def _remember(reference: Reference, name: str, progress: Progress) -> None:
    try:
        cache.remember(reference.key(), name)
    except OutputError as error:
        progress.warning(error.message)


def _make_folder(
    reference: Reference, progress: Progress, *, is_offline: bool, save_as: str | None
) -> ModelFolder:
    """Build the network, load its weights, compile it, and write the model folder."""
    is_on_hub = reference.name.startswith(HUB)  # resolving it may download, which has its own progress bar
    with progress.activity(f"loading torch and timm to prepare {reference.name}"):
        from cnncli.networks import zoo
        from cnncli.networks.pretrained import build_network, load_weights

        offer = None if is_on_hub else _find_offer(reference, progress, is_offline=is_offline)
    if is_on_hub:
        from cnncli.networks.zoo.hub_folder import prepare_folder

        if folder := prepare_folder(reference, save_as, progress, is_offline=is_offline):
            return folder
    offer = offer or _find_offer(reference, progress, is_offline=is_offline)
    name = save_as or _name(reference, offer) + _suffix(reference)
    target = cache.folder_path(name)
    if model_folder.is_model_folder(target):  # prepared before, under another spelling
        return require_same(model_folder.open_folder(target), name)
    cache.require_writable()
    initial = load_weights(reference, offer, progress, is_offline=is_offline)
    with progress.activity(f"preparing {offer.name}: building, compiling and verifying"):
        network, architecture = build_network(
            offer,
            initial,
            progress,
            is_local=reference.weights is not None,
            zero_shot=reference.zero_shot,
        )
        class_names, synsets = _classes(reference, offer, architecture.num_classes, progress)
        card = ModelCard(
            name=name,
            architecture=architecture,
            preprocessing=offer.preprocessing.with_channels(architecture.channels),
            class_names=class_names,
            synsets=synsets,
            embedding=Embedding(0, "", gives_logits=False),
            weights_origin=initial.origin + (reference.zero_shot.note if reference.zero_shot else ""),
            compilation=Compilation("not compiled yet"),
            files=(),
            versions=tuple(
                PackageVersion(*item)
                for item in ({"cnncli": __version__} | zoo.versions(architecture.library)).items()
            ),
            tasks=_tasks(offer, class_names),
        )
        cards.from_json(cards.to_json(card), offer.name)  # what the hub says must be valid
        with model_folder.draft_folder(target) as draft:
            write_model_folder(draft, network, card)
    return model_folder.open_folder(target)


def _tasks(offer: "Offer", class_names: tuple[str, ...]) -> tuple[Task, ...]:
    """The task of a network for which several classes can be right; none for others."""
    if offer.kind is AnswerKind.ONE or not class_names:
        return ()
    return (Task(INDICATOR_TASK, class_names, offer.kind, (_THRESHOLD,) * len(class_names)),)


def _find_offer(reference: Reference, progress: Progress, *, is_offline: bool) -> "Offer":
    """The offer of a library or hub repository for a reference."""
    from cnncli.networks import zoo
    from cnncli.networks.zoo import hub_repository

    if reference.name.startswith(HUB):
        return hub_repository.offer(reference.name, reference.image_size, progress, is_offline=is_offline)
    if folder := reference.saved_folder:
        return hub_repository.folder_offer(folder, reference.image_size)
    try:
        return zoo.offer(reference.name, reference.image_size)
    except ModelNotFoundError as error:
        from cnncli.networks.known import not_found_error

        raise not_found_error(reference.name, error.message, error.hint) from error


def _name(reference: Reference, offer: "Offer") -> str:
    """The name of the library's network; of a saved folder, its own name and a digest of its files."""
    folder = reference.saved_folder
    if folder is None:
        return offer.name
    digests = "".join(model_folder.sha256(file) for file in identifying_files(folder))
    digest = hashlib.sha256(digests.encode()).hexdigest()
    return f"{folder.resolve().name}{MADE_FROM}{digest[:_DIGEST_SHOWN]}"


def _suffix(reference: Reference) -> str:
    """End of a prepared network's name: digests of its own weights, labels and typed classes, its image size."""
    digests = [model_folder.sha256(reference.labels)[:_DIGEST_SHOWN]] if reference.labels else []
    if not reference.pretrained:
        digests.insert(0, "random")
    elif reference.weights:
        digests.insert(0, model_folder.sha256(reference.weights)[:_DIGEST_SHOWN])
    if reference.zero_shot:
        digest = hashlib.sha256(reference.zero_shot.key().encode()).hexdigest()
        digests.append(f"zero-shot-{digest[:_DIGEST_SHOWN]}")
    size = ["{}x{}".format(*reference.image_size)] if reference.image_size else []
    return "".join(f"+{part}" for part in ["-".join(digests), *size] if part)


def _classes(
    reference: Reference, offer: "Offer", count: int, progress: Progress
) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """Class names, and their synsets if known; no names where the network has no classifier."""
    if reference.zero_shot:
        return reference.zero_shot.names, None
    from cnncli.networks import zoo

    if not count or (not offer.has_classes and count == offer.architecture.num_classes):
        if reference.labels:
            name = reference.weights.name if reference.weights else offer.name
            raise WeightsError(f"{name} has no classes: it gives features", "leave out --labels")
        return (), None
    if reference.labels:
        names = read_labels(reference.labels)
        if len(names) != count:
            raise WeightsError(f"{reference.labels} names {len(names):,} classes, the network has {count:,}")
        return names, None
    if offer.class_names and len(offer.class_names) == count:
        return offer.class_names, zoo.synsets(offer)
    if offer.architecture.num_classes != count or reference.pretrained:
        progress.notice(f"the names of the {count:,} classes are unknown; set them with --labels FILE")
    return tuple(f"class {index}" for index in range(count)), None


def write_model_folder(draft: Path, network: "nn.Module", card: ModelCard) -> ModelFolder:
    """Write all files of a model folder: weights, compiled graph where possible, card.

    Args:
        draft: the folder to write to.
        network: the network, in evaluation mode, on the CPU.
        card: its card; embedding and compilation are filled in.

    Raises:
        CompileError: the network has no layer that gives logits, or does not run on its own input size.
        OSError: the folder cannot be written.
    """
    from cnncli.networks.zoo.embedding import with_embedding
    from cnncli.networks.zoo.weights import save_state_dict

    shape = (card.preprocessing.channels, *card.preprocessing.size)
    wrapped = with_embedding(network, shape, has_last_layer=not card.is_feature_extractor)
    save_state_dict(network, draft / model_folder.WEIGHTS)
    compilation = _compile(wrapped, shape, draft / model_folder.GRAPH)
    card = dataclasses.replace(card, embedding=wrapped.embedding(shape), compilation=compilation)
    return model_folder.seal(draft, card)


def _compile(network: "WithEmbedding", shape: tuple[int, int, int], file: Path) -> Compilation:
    from cnncli.engines.compile import compile_network

    try:
        comparison = compile_network(network, shape, file)
    except CompileError as error:
        return Compilation(error.message)
    return Compilation(None, comparison.largest_difference, comparison.spread)
