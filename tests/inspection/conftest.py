"""A small network with random weights and an image of noise."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnncli.images.local_file import LocalFile
from cnncli.inspection.network.loading import InputImage, LoadedModel, load_image, load_model
from cnncli.networks.reference import Reference
from cnncli.prepare import prepare
from cnncli.records.progress import NullProgress

BLUEPRINT = "input 3x32x32; conv3-6 valid relu; maxpool 2; conv3-8 same relu; gap; FC-5; soft-max"
"""Its layers: conv1, relu1, maxpool1, conv2, relu2, …"""


def network(name: str, **more: Any) -> LoadedModel:
    return load_model(prepare(Reference(name, pretrained=False, **more), NullProgress()))


def noise(model: LoadedModel, folder: Path) -> InputImage:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "noise.png")
    return load_image(LocalFile(str(folder / "noise.png")), model.card)


@pytest.fixture
def model() -> LoadedModel:
    return network(BLUEPRINT)


@pytest.fixture
def image(model: LoadedModel, tmp_path: Path) -> InputImage:
    return noise(model, tmp_path)
