"""The files of a repository with a network: a model card, and the network as timm reads it, or as a model folder."""

import shutil
from pathlib import Path

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import OutputError
from cnncli.networks.model_folder import FILES as MODEL_FILES
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.networks import CARD
from cnncli.sharing import model_card

_CONFIG = "config.json"

FILES = frozenset({model_card.README, model_card.PICTURE, _CONFIG, CARD, *MODEL_FILES})
"""Names of all files that a repository can have; `send` deletes those of an earlier network."""


@frozen_dataclass
class RepositoryFiles:
    """The files of a repository, in a folder.

    Attributes:
        folder: where they are.
        obstacle: why timm cannot read them; None if it can.
    """

    folder: Path
    obstacle: str | None

    def sizes(self) -> dict[str, int]:
        """The size of each file in bytes, by name, in alphabetical order."""
        return {file.name: file.stat().st_size for file in sorted(self.folder.iterdir())}


def write_files(network: ModelFolder, draft: Path, name: str, license_: str | None) -> RepositoryFiles:
    """Write the files of a repository.

    Args:
        network: a run, or another model folder.
        draft: an empty folder.
        name: the repository, such as `user/name`, for the examples in the model card.
        license_: license of the weights; None if unknown.

    Raises:
        CnncliError: the network is damaged, or the files cannot be written.
    """
    from cnncli.networks.zoo import timm_repository  # imports torch

    obstacle = timm_repository.obstacle(network)
    try:
        if obstacle is None:
            timm_repository.write(network, draft)
        else:
            for file in (CARD, *(facts.name for facts in network.card.files)):
                shutil.copyfile(network.path / file, draft / file)
        picture = network.path / model_card.PICTURE
        if picture.is_file():
            shutil.copyfile(picture, draft / model_card.PICTURE)
        text = model_card.write(network, name, obstacle, license_)
        (draft / model_card.README).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write to {draft}: {error.strerror or error}") from error
    return RepositoryFiles(draft, obstacle)
