"""The model folder: card.json, model.safetensors, and model.onnx where the network could be compiled.

Written in a temporary folder beside its place and renamed, so that nobody ever sees half of one. Opened
strictly: every file that the card lists must be there at its size. Digests are computed when a folder is
written; comparing them costs as much as reading everything, so it is done on request (`verify`).
"""

import contextlib
import dataclasses
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cnncli.errors import ModelFolderError, OutputError, UsageError
from cnncli.files.whole import DRAFT, whole_folder
from cnncli.networks import card as cards
from cnncli.records.networks import FileFacts, HeadKind, ModelCard

CARD, WEIGHTS, GRAPH = "card.json", "model.safetensors", "model.onnx"


def is_auxiliary(name: str) -> bool:
    """Whether a tensor belongs to the heads of torchvision's GoogLeNet and Inception v3 that only training uses."""
    return name.startswith(("aux1.", "aux2.", "AuxLogits."))


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model folder that is complete, and its card."""

    path: Path
    card: ModelCard

    @property
    def weights(self) -> Path:
        """The weights, as safetensors.

        Raises:
            ModelFolderError: the folder was made from an exported file, in which they are part of the graph.
        """
        if self.is_exported:
            raise no_weights_error(self.card.name)
        return self.path / WEIGHTS

    @property
    def graph(self) -> Path | None:
        """The compiled network; None where the card says why there is none."""
        return None if self.card.compilation.reason else self.path / GRAPH

    def require_graph(self) -> Path:
        """The compiled network.

        Raises:
            ModelFolderError: there is none.
        """
        if self.graph is None:
            raise ModelFolderError(f"{self.path} has no compiled network: {self.card.compilation.reason}")
        return self.graph

    @property
    def digest(self) -> str:
        """SHA-256 of what makes the network this one: its weights; of an exported one its graph."""
        facts = {item.name: item.sha256 for item in self.card.files}
        return facts.get(WEIGHTS) or facts[GRAPH]

    @property
    def is_exported(self) -> bool:
        """Whether it was made from an exported file, and has a graph but no weights."""
        return all(facts.name != WEIGHTS for facts in self.card.files)

    @property
    def needs_onnx(self) -> str | None:
        """What in it torch cannot run; None where it can."""
        if self.is_exported:
            return "an exported network"
        head = self.card.architecture.head
        return "a nearest-neighbour classifier" if head and head.kind is HeadKind.NEIGHBOURS else None


def no_weights_error(name: str) -> ModelFolderError:
    """What is to be said where the weights of an exported network are asked for."""
    return ModelFolderError(
        f"{name} is an exported network, which predicts and no more",
        "train or look inside the one that it was exported from",
    )


def no_classes_error(name: str) -> UsageError:
    """Error for a network without a classifier."""
    return UsageError(
        f"{name} has no classifier: it gives features, not classes",
        f"`cnncli finetune DATA -m {name}` trains one; `cnncli features IMAGES -m {name} -o FILE.npz` writes the features",
    )


def require_classes(folder: ModelFolder) -> ModelFolder:
    """The same folder, if its network tells classes apart.

    Raises:
        UsageError: it gives features only.
    """
    if folder.card.is_feature_extractor:
        raise no_classes_error(folder.card.name)
    return folder


def is_model_folder(path: Path) -> bool:
    """Whether a path holds a model folder, complete or not."""
    return os.path.isfile(path / CARD)  # noqa: PTH113 - says no where a name is too long, too


def open_folder(path: Path) -> ModelFolder:
    """The model folder at a path.

    Raises:
        ModelFolderError: it is not one, its card is damaged or of another version, or a file is missing
            or has another size than the card says.
    """
    try:
        text = (path / CARD).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFolderError(f"{path} is no model folder: its {CARD} cannot be read ({error})") from error
    card = cards.from_json(text, str(path / CARD))
    needed = {WEIGHTS if card.compilation.reason else GRAPH}  # a graph has the weights within
    if missing := needed - {facts.name for facts in card.files}:
        raise ModelFolderError(f"{path / CARD} does not list {', '.join(sorted(missing))}", _AGAIN)
    for facts in card.files:
        _check_size(path / facts.name, facts)
    return ModelFolder(path, card)


_AGAIN = "put back the file that was there, or make the folder again: a prepared network with `cnncli pull`, a run with finetune"


def _check_size(file: Path, facts: FileFacts) -> None:
    try:
        size = file.stat().st_size
    except OSError as error:
        raise ModelFolderError(f"{file} cannot be read: {error.strerror}", _AGAIN) from error
    if size != facts.bytes:
        raise ModelFolderError(f"{file} has {size:,} bytes where the card says {facts.bytes:,}", _AGAIN)


def verify(folder: ModelFolder) -> None:
    """Compare every file with its digest; takes as long as reading them.

    Raises:
        ModelFolderError: a file is not what was written.
    """
    for facts in folder.card.files:
        if sha256(folder.path / facts.name) != facts.sha256:
            raise ModelFolderError(f"{folder.path / facts.name} is not what was written there", _AGAIN)


def sha256(file: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def seal(draft: Path, card: ModelCard) -> ModelFolder:
    """Complete a draft_folder folder: the facts of the network's files go into the card, the card is written last."""
    files = [file for file in (draft / WEIGHTS, draft / GRAPH) if file.exists()]
    facts = tuple(FileFacts(file.name, file.stat().st_size, sha256(file)) for file in files)
    sealed = dataclasses.replace(card, files=facts)
    (draft / CARD).write_text(cards.to_json(sealed), encoding="utf-8")
    for file in files:  # some libraries write for their user alone; a prepared network may be shared
        file.chmod((draft / CARD).stat().st_mode)
    return ModelFolder(draft, sealed)


@contextlib.contextmanager
def draft_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside `target` that becomes it when the block ends well, and else vanishes.

    Where another process was faster, its folder stays and ours is dropped.

    Raises:
        OutputError: the folder cannot be written.
    """
    try:
        with whole_folder(target, _take_place) as draft:
            _remove_forgotten(target.parent)
            yield draft
    except OSError as error:
        raise OutputError(
            f"cannot write a model folder to {target.parent}: {error.strerror or error}"
        ) from error


_FORGOTTEN = 24 * 3600
"""Seconds after which a draft is taken for the remains of a process that was killed."""


def _remove_forgotten(folder: Path) -> None:
    for draft in folder.glob(f".*{DRAFT}"):
        with contextlib.suppress(OSError):  # its process may just be done with it
            if time.time() - draft.stat().st_mtime > _FORGOTTEN:
                shutil.rmtree(draft, ignore_errors=True)


def _take_place(draft: Path, target: Path) -> None:
    try:
        draft.rename(target)
    except OSError:
        if is_model_folder(target):  # another process was faster
            return
        shutil.rmtree(target)  # the remains of a folder that lost its card
        draft.rename(target)
