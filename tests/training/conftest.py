"""Data and runs that the tests of training share."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.training.small_runs import TrainedRun, settings_for, train_run


@pytest.fixture
def tiny(tiny_64: Path) -> Path:
    return tiny_64


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three classes of ten images that differ in their mean colour, the last one rarer."""
    draws = np.random.default_rng(0)
    colours = {"warm": (190, 110, 90), "cold": (90, 110, 190), "green": (110, 170, 110)}
    for name, colour in colours.items():
        for number in range(5 if name == "green" else 12):
            pixels = np.clip(np.array(colour) + draws.normal(0, 60, (20, 16, 3)), 0, 255).astype(np.uint8)
            file = tmp_path / "shades" / name / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(file)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "shades"


@pytest.fixture
def base(data: Path) -> TrainedRun:
    return train_run(settings_for(data))


@pytest.fixture(autouse=True)
def torch_as_it_was() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
