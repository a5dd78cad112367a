"""The files of a repository in a folder, to look at or to send with other programs."""

import os
from pathlib import Path

from cnncli.errors import OutputError
from cnncli.files.output_path import require_outside_model_folder
from cnncli.files.whole import rename, replace, whole_folder
from cnncli.networks.model_folder import ModelFolder
from cnncli.sharing.repository_files import FILES, RepositoryFiles, write_files


def require_free_folder(folder: Path, *, overwrite: bool) -> None:
    """Raise an error if a folder exists and must not be replaced.

    Raises:
        OutputError: it exists, holds more than such files, or is inside a model folder.
    """
    require_outside_model_folder(folder)
    if not os.path.lexists(folder):
        return
    if not folder.is_dir() or folder.is_symlink():
        raise OutputError(f"{folder} already exists and is not a folder", "choose another folder with --to")
    names = {entry.name for entry in folder.iterdir()}
    if foreign := sorted(names - FILES):
        raise OutputError(
            f"{folder} holds other files: {', '.join(foreign[:5])}", "choose another folder with --to"
        )
    if names and not overwrite:
        raise OutputError(
            f"{folder} already exists", "--overwrite replaces it; or choose another folder with --to"
        )


def write_folder(
    network: ModelFolder, folder: Path, name: str, license_: str | None, *, overwrite: bool
) -> RepositoryFiles:
    """Write the files of a repository to a folder, which appears complete or not at all.

    Args:
        network: a run, or another model folder.
        folder: for which `require_free_folder` has passed.
        name: the repository, for the examples in the model card.
        license_: license of the weights; None if unknown.
        overwrite: whether such a folder is replaced.

    Raises:
        CnncliError: the network is damaged, or the folder cannot be written.
    """
    try:
        with whole_folder(folder, replace if overwrite else rename) as draft:
            files = write_files(network, draft, name, license_)
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {error.strerror or error}") from error
    return RepositoryFiles(folder, files.obstacle)
