"""Model folders of ONNX files: of those that `cnncli export` wrote, and of those of other programs."""

import dataclasses
import hashlib
from pathlib import Path

from cnncli.errors import UsageError
from cnncli.networks import cache, model_folder
from cnncli.networks.model_folder import ModelFolder
from cnncli.networks.prepared import MADE_FROM
from cnncli.networks.reference import Reference
from cnncli.networks.saved import identifying_files
from cnncli.records.networks import ModelCard
from cnncli.records.progress import Progress
from cnncli.text import quote

_DIGITS = 12
"""Hexadecimal digits of a digest in the name of a folder."""


def prepare_file(reference: Reference, save_as: str | None, progress: Progress) -> ModelFolder:
    """The model folder of an ONNX file, made once.

    Args:
        reference: the file, or a folder that optimum wrote.
        save_as: name for the prepared network; only for a file of another program.
        progress: reports what takes time, and what was assumed.

    Raises:
        ModelFolderError: the file is damaged, or cannot be used.
        UsageError: options are missing, or have no effect.
    """
    file = Path(reference.name).expanduser()
    if save_as and not _is_foreign(reference):
        raise UsageError(f"--save-as: {file} is a finished network", f"use it by its path: -m {quote(file)}")
    stem = file.stem if reference.is_exported else file.resolve().name
    name = save_as or f"{stem}{MADE_FROM}{_digest(reference, file)}"
    target = cache.folder_path(name)
    if not model_folder.is_model_folder(target):
        cache.require_writable()
        with progress.activity(f"reading {file}"), model_folder.draft_folder(target) as draft:
            card = _convert(reference, file, draft, progress)
            model_folder.seal(draft, dataclasses.replace(card, name=name))
    return model_folder.open_folder(target)


def _is_foreign(reference: Reference) -> bool:
    return reference.is_foreign or reference.has_only_graph


def _convert(reference: Reference, file: Path, draft: Path, progress: Progress) -> ModelCard:
    """Write model.onnx to a draft; its card."""
    if reference.has_only_graph:
        from cnncli.engines.foreign import convert_saved

        return convert_saved(reference, file, draft, progress.notice)
    if reference.is_foreign:
        from cnncli.engines.foreign import convert

        return convert(reference, draft, progress.notice)
    from cnncli.engines.exported import unpack

    return unpack(file, draft)


def _digest(reference: Reference, file: Path) -> str:
    """A digest of the file, of those that belong to it by name (`net.onnx.data`), and of the options."""
    if not _is_foreign(reference):
        return model_folder.sha256(file)[:_DIGITS]
    files = identifying_files(file) if reference.has_only_graph else reference.onnx_files
    parts = [model_folder.sha256(part) for part in files]
    parts += [repr(reference.foreign), repr(reference.image_size)]
    parts += [model_folder.sha256(reference.labels)] if reference.labels else []
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:_DIGITS]
