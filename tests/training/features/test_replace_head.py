"""A network with a new classifier, written without torch."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from cnncli.engines.heads import LinearHead
from cnncli.errors import ModelFolderError
from cnncli.networks.model_folder import open_folder
from cnncli.training.features.replace_head import write_with_new_head
from tests.hostile_models import MODELS


def test_a_graph_that_does_not_fit_its_card_is_refused(colours: Path, tmp_path: Path) -> None:
    """Even where its embeddings are not computed, since they are in the cache."""
    MODELS["output rank"](Path(shutil.copytree(colours, tmp_path / "net")))
    base = open_folder(tmp_path / "net")
    head = LinearHead(np.eye(3, dtype=np.float32), np.zeros(3, np.float32))
    pixels = np.zeros((2, 3, 8, 8), np.float32)
    with pytest.raises(ModelFolderError, match="does not fit its card"):
        write_with_new_head(tmp_path, base, head, base.card, pixels)
