"""A network with a new classifier, written without torch."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from cnncli.engines.heads import LinearHead
from cnncli.errors import ModelFolderError
from cnncli.networks.model_folder import GRAPH, WEIGHTS, open_folder
from cnncli.training.features.replace_head import write_with_new_head
from tests.conftest import Cnncli
from tests.hostile_models import MODELS


def test_a_graph_that_does_not_fit_its_card_is_refused(colours: Path, tmp_path: Path) -> None:
    """Even where its embeddings are not computed, since they are in the cache."""
    MODELS["output rank"](Path(shutil.copytree(colours, tmp_path / "net")))
    base = open_folder(tmp_path / "net")
    head = LinearHead(np.eye(3, dtype=np.float32), np.zeros(3, np.float32))
    pixels = np.zeros((2, 3, 8, 8), np.float32)
    with pytest.raises(ModelFolderError, match="does not fit its card"):
        write_with_new_head(tmp_path, base, head, base.card, pixels)


@pytest.mark.slow
def test_an_onnx_file_of_another_program_becomes_a_run_like_any_other(
    cnncli: Cnncli, colours: Path, data: Path
) -> None:
    model = onnx.load(colours / GRAPH)
    del model.graph.output[1]  # the embedding, which has to be found
    onnx.save(model, "theirs.onnx")
    assert cnncli("pull", "theirs.onnx", "--normalize", "0..1", "--resize", "squash").exit_code == 0
    refused = cnncli("finetune", data, "-m", "theirs.onnx", "--tune", "head")
    assert (refused.exit_code, "theirs.onnx is an exported network" in refused.stderr) == (1, True)
    trained = cnncli(
        "finetune", data, "-m", Path("theirs.onnx").resolve(), "--classifier", "knn", "-o", "run"
    )
    assert trained.exit_code == 0, trained.stderr
    assert "is an exported network: using --tune features" in trained.stderr
    assert not Path("run", WEIGHTS).exists()
    evaluated = cnncli("evaluate", data, "-m", "run")
    assert "split saved in run" in evaluated.stdout
    assert "no record of its training images" not in evaluated.stdout + evaluated.stderr
    exported = cnncli("export", "run", "-o", "run.onnx", "--check", data, "-f", "json")
    assert json.loads(exported.stdout)["agreement"] == 1
