"""A compiled network in fewer bits."""

from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from cnncli.engines.compile import compile_network
from cnncli.engines.onnx import OnnxEngine
from cnncli.engines.shrinking import store_in_half
from cnncli.networks.zoo.embedding import with_embedding

SHAPE = (3, 8, 8)


def test_weights_stored_in_half_precision_give_the_same_outputs(tmp_path: Path) -> None:
    """To the last bit, where the weights are halves already."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64 * 36, 10)).eval()
    for parameter in network.parameters():
        parameter.data = parameter.data.half().float()
    whole, halved = tmp_path / "whole.onnx", tmp_path / "halved.onnx"
    compile_network(with_embedding(network, SHAPE), SHAPE, whole)
    onnx.save(store_in_half(onnx.load(whole)), halved)
    onnx.checker.check_model(onnx.load(halved))
    assert halved.stat().st_size < 0.52 * whole.stat().st_size
    images = np.random.default_rng(0).normal(size=(5, *SHAPE)).astype(np.float32)
    expected, found = (OnnxEngine(file).run(images) for file in (whole, halved))
    np.testing.assert_array_equal(found.logits, expected.logits)
    np.testing.assert_array_equal(found.embeddings, expected.embeddings)
