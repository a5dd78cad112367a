"""The model folder: card.json, model.safetensors, and model.onnx where the network could be compiled.

A run also has training_features.safetensors (`networks.familiarity`).

It is written to a temporary folder and renamed, so that it is never seen incomplete. Opening is strict: every file that the
card lists must exist with its size and its digest. Digests are computed when a folder is written, and compared once for each
file (`networks.verified`); `verify` compares them again.
"""

import contextlib
import dataclasses
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import ModelFolderError, OutputError, UsageError
from cnncli.files.whole import whole_folder
from cnncli.networks import card as cards
from cnncli.networks.zero_shot import find_text_tower
from cnncli.records.networks import CARD, FEATURES, FileFacts, HeadKind, ModelCard
from cnncli.regular_file import irregularity, open_regular, read_text
from cnncli.text import quote

WEIGHTS, GRAPH = "model.safetensors", "model.onnx"
FILES = (WEIGHTS, GRAPH, FEATURES)
"""All files that a card can list."""


def is_auxiliary(name: str) -> bool:
    """Whether a tensor belongs to an auxiliary head of torchvision's GoogLeNet or Inception v3, used in training only."""
    return name.startswith(("aux1.", "aux2.", "AuxLogits."))


@frozen_dataclass
class ModelFolder:
    """A complete model folder.

    Attributes:
        path: of the folder.
        card: its model card.
    """

    path: Path
    card: ModelCard

    @property
    def weights(self) -> Path:
        """The weights file, in safetensors format.

        Raises:
            ModelFolderError: the folder was made from an exported network, whose weights are in the graph.
        """
        if self.is_exported:
            raise no_weights_error(self.card.name)
        return self.path / WEIGHTS

    @property
    def graph(self) -> Path | None:
        """The ONNX file; None where the network was not compiled, for which the card gives the reason."""
        return None if self.card.compilation.reason else self.path / GRAPH

    def require_graph(self) -> Path:
        """The ONNX file.

        Raises:
            ModelFolderError: there is none.
        """
        if self.graph is None:
            raise ModelFolderError(f"{self.path} has no {GRAPH}: {self.card.compilation.reason}")
        return self.graph

    @property
    def training_features(self) -> Path | None:
        """What a run keeps of its training images (`networks.familiarity`); None where there is no such file."""
        return self.path / FEATURES if any(facts.name == FEATURES for facts in self.card.files) else None

    @property
    def digest(self) -> str:
        """SHA-256 of the weights; of the ONNX file for an exported network."""
        facts = {item.name: item.sha256 for item in self.card.files}
        return facts.get(WEIGHTS) or facts[GRAPH]

    @property
    def is_exported(self) -> bool:
        """Whether it was made from an exported network, and so has an ONNX file but no weights file."""
        return all(facts.name != WEIGHTS for facts in self.card.files)

    @property
    def needs_onnx(self) -> str | None:
        """The part that only ONNX Runtime can run, for messages; None if torch can run the network."""
        if self.is_exported:
            return "an exported network"
        head = self.card.architecture.head
        return "a nearest-neighbour classifier" if head and head.kind is HeadKind.NEIGHBOURS else None


def no_weights_error(name: str) -> ModelFolderError:
    """Error for an exported network where weights are needed."""
    return ModelFolderError(
        f"{name} is an exported network, whose weights cannot be trained or drawn",
        "`finetune --tune features` fits a classifier to its features; for anything else, use the network that it was exported from",
    )


def no_classes_error(name: str) -> UsageError:
    """Error for a network without a classifier."""
    if find_text_tower(name):
        return UsageError(
            f"{name} has no classes of its own",
            f"name them: `cnncli predict IMAGES -m {quote(name)} --classes 'lemon, orange'`, or the same with `cnncli pull`",
        )
    return UsageError(
        f"{name} has no classifier: it gives features, not classes",
        f"`cnncli finetune DATA -m {quote(name)}` trains one; `cnncli features IMAGES -m {quote(name)} -o FILE.npz` writes the features",
    )


def require_classes(folder: ModelFolder) -> ModelFolder:
    """The same folder, if its network has a classifier.

    Raises:
        UsageError: it has none.
    """
    if folder.card.is_feature_extractor:
        raise no_classes_error(folder.card.name)
    return folder


def is_model_folder(path: Path) -> bool:
    """Whether a path holds a model folder, complete or not."""
    return os.path.isfile(path / CARD)  # noqa: PTH113 - also False for names that are too long


def open_folder(path: Path) -> ModelFolder:
    """Open the model folder at a path, to use its files.

    Raises:
        ModelFolderError: as `read_folder`, or a file has changed.
    """
    from cnncli.networks import verified  # which imports this module

    folder = read_folder(path)
    for facts in folder.card.files:
        file = path / facts.name
        try:
            if not verified.is_verified(file, facts.sha256):
                _compare(file, facts)
                verified.remember(file, facts.sha256)
        except OSError as error:
            raise ModelFolderError(f"cannot read {file}: {error.strerror}", _RESTORE_HINT) from error
    return folder


def read_folder(path: Path) -> ModelFolder:
    """Read the card of the model folder at a path; digests are not compared.

    Raises:
        ModelFolderError: it is not one, its card is damaged or of another version, or a file is missing or differs in size
            from the card.
    """
    card = read_card(path)
    for facts in card.files:
        _check_size(path / facts.name, facts)
    return ModelFolder(path, card)


def read_card(path: Path) -> ModelCard:
    """The card of the model folder at a path, whose other files need not exist.

    Raises:
        ModelFolderError: there is none, it is damaged or of another version, or does not list the files of a model folder.
    """
    try:
        text = read_text(path / CARD)
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFolderError(
            f"{path} is not a model folder: its {CARD} cannot be read ({error})"
        ) from error
    card = cards.from_json(text, str(path / CARD))
    needed = {WEIGHTS if card.compilation.reason else GRAPH}  # a graph contains the weights
    if missing := needed - {facts.name for facts in card.files}:
        raise ModelFolderError(f"{path / CARD} does not list {', '.join(sorted(missing))}", _RESTORE_HINT)
    if strange := {facts.name for facts in card.files} - {*FILES}:
        raise ModelFolderError(f"{path / CARD} lists {min(strange)!r}, which is not part of a model folder")
    return card


_RESTORE_HINT = "restore the original file, or create the folder again: a prepared network with `cnncli pull`, a run with finetune"


def _check_size(file: Path, facts: FileFacts) -> None:
    try:
        status = file.stat()
    except OSError as error:
        raise ModelFolderError(f"cannot read {file}: {error.strerror}", _RESTORE_HINT) from error
    if reason := irregularity(status):
        raise ModelFolderError(f"{file} is {reason}", _RESTORE_HINT)
    size = status.st_size
    if size != facts.bytes:
        raise ModelFolderError(f"{file} has {size:,} bytes instead of {facts.bytes:,}", _RESTORE_HINT)


def verify(folder: ModelFolder) -> None:
    """Compare every file with its digest, which means reading it.

    Raises:
        ModelFolderError: a file has changed.
    """
    for facts in folder.card.files:
        _compare(folder.path / facts.name, facts)


def _compare(file: Path, facts: FileFacts) -> None:
    if sha256(file) != facts.sha256:
        raise ModelFolderError(f"{file} has changed: its SHA-256 is wrong", _RESTORE_HINT)


def sha256(file: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with open_regular(file) as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def seal(draft: Path, card: ModelCard) -> ModelFolder:
    """Complete a draft: add sizes and digests of its files to the card, and write the card last."""
    from cnncli.networks import verified  # which imports this module

    files = [file for name in FILES if (file := draft / name).exists()]
    facts = tuple(FileFacts(file.name, file.stat().st_size, sha256(file)) for file in files)
    sealed = dataclasses.replace(card, files=facts)
    (draft / CARD).write_text(cards.to_json(sealed), encoding="utf-8")
    for file in files:  # some libraries write files that only their owner can read
        file.chmod((draft / CARD).stat().st_mode)
    for file, item in zip(files, facts, strict=True):
        verified.remember(file, item.sha256)
    return ModelFolder(draft, sealed)


@contextlib.contextmanager
def draft_folder(target: Path) -> Iterator[Path]:
    """A temporary folder that is renamed to `target` when the block ends without an exception, and deleted otherwise.

    If another process has created `target` in the meantime, its folder is kept.

    Raises:
        OutputError: the folder cannot be written.
    """
    try:
        with whole_folder(target, _rename_or_keep) as draft:
            yield draft
    except OSError as error:
        raise OutputError(
            f"cannot write a model folder to {target.parent}: {error.strerror or error}"
        ) from error


def _rename_or_keep(draft: Path, target: Path) -> None:
    try:
        draft.rename(target)
    except OSError:
        if is_model_folder(target):  # another process was faster
            return
        shutil.rmtree(target)  # a folder without a card is not a model folder
        draft.rename(target)
