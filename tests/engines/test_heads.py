"""Another classifier in a compiled network answers as it does alone."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from cnncli.engines.heads import (
    LEAST_SHARE,
    ClassifierHead,
    LinearHead,
    NeighbourHead,
    replace_head,
    run_head,
)
from cnncli.engines.onnx import OnnxEngine
from cnncli.errors import ModelFolderError
from cnncli.networks.model_folder import GRAPH, open_folder

draws = np.random.default_rng(0)

LINEAR = LinearHead(draws.standard_normal((5, 96)), draws.standard_normal(5))
NEIGHBOURS = NeighbourHead(
    draws.standard_normal((40, 96)),
    np.eye(5)[draws.integers(0, 5, 40)],
    draws.standard_normal(96),
    draws.uniform(0.5, 2, 96),
    7,
)


@pytest.mark.parametrize("head", [LINEAR, NEIGHBOURS], ids=["linear", "neighbours"])
@pytest.mark.parametrize("images", [1, 3])
def test_the_graph_gives_the_outputs_of_the_head(
    tiny: Path, tmp_path: Path, head: ClassifierHead, images: int
) -> None:
    folder = open_folder(tiny)
    pixels = draws.standard_normal((images, 3, *folder.card.preprocessing.size)).astype(np.float32)
    before = OnnxEngine(tiny / GRAPH).run(pixels)
    replace_head(tiny / GRAPH, head, tmp_path / "new.onnx")
    after = OnnxEngine(tmp_path / "new.onnx").run(pixels)
    assert np.array_equal(before.embeddings, after.embeddings)
    assert after.logits.shape == (images, 5)
    assert np.allclose(after.logits, head.logits(before.embeddings.astype(np.float64)), rtol=1e-4, atol=1e-4)
    alone = run_head(head, before.embeddings)
    assert np.allclose(after.logits, alone, rtol=1e-5, atol=1e-5)
    onnx.checker.check_model(onnx.load(tmp_path / "new.onnx"))


def test_the_old_classifier_is_removed_from_the_graph(tiny: Path, tmp_path: Path) -> None:
    replace_head(tiny / GRAPH, LINEAR, tmp_path / "new.onnx")
    names = [item.name for item in onnx.load(tmp_path / "new.onnx").graph.initializer]
    assert not [name for name in names if "fc" in name]
    replace_head(tmp_path / "new.onnx", LINEAR, tmp_path / "newer.onnx")  # and it can be replaced again
    assert len(onnx.load(tmp_path / "newer.onnx").graph.initializer) == len(names)


def test_probabilities_are_shares_of_the_nearest_neighbours() -> None:
    """Five points on a line; the three nearest to 1.2 are 1, 2 and 0."""
    vectors = np.array([[0.0], [1], [2], [3], [4]])
    votes = np.eye(2)[[0, 1, 1, 0, 0]]
    head = NeighbourHead(vectors, votes, np.zeros(1), np.ones(1), 3)
    assert np.allclose(np.exp(head.logits(np.array([[1.2], [4.0]]))), [[1 / 3, 2 / 3], [2 / 3, 1 / 3]])
    alone = NeighbourHead(vectors, votes, np.zeros(1), np.ones(1), 1)
    assert np.allclose(np.exp(alone.logits(np.array([[0.1]]))), [[1, LEAST_SHARE]])


def test_invalid_graphs_are_errors(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(ModelFolderError, match="cannot be read"):
        replace_head(tmp_path / "model.onnx", LINEAR, tmp_path / "new.onnx")
