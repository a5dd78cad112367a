"""Files that other programs wrote give those programs' own answers, once they are exported as the hint says.

A case is skipped where the program is not installed.
"""

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnncli.engines.onnx import OnnxEngine
from cnncli.errors import CnncliError
from cnncli.images.preprocess import preprocess
from cnncli.logits import probabilities
from cnncli.networks.foreign import NOTHING_SAID, ForeignOptions, ResizeTo
from cnncli.networks.normalization import parse_normalization
from cnncli.networks.reference import Reference
from cnncli.prepare import prepare
from cnncli.records.progress import NullProgress
from tests.conftest import ROOT

PHOTOS = sorted((ROOT / "sample_images").glob("*.jpg"))[:5]

KERAS = """
import keras
from keras import layers
keras.utils.set_random_seed(0)
net = keras.Sequential([keras.Input((24, 24, 3)), layers.Rescaling(1 / 127.5, -1), layers.Conv2D(8, 3, activation="relu"),
                        layers.GlobalAveragePooling2D(), layers.Dense(5, activation="softmax")])
net.save(file)
images = [Image.open(photo).convert("RGB").resize((24, 24), Image.Resampling.BILINEAR) for photo in photos]
chances = net.predict(numpy.stack([numpy.asarray(image, "float32") for image in images]), verbose=0)
"""

FASTAI = """
import torch
from fastai.vision.all import ImageDataLoaders, Learner, Normalize, Resize, accuracy, imagenet_stats
from torch import nn
torch.manual_seed(0)
data = ImageDataLoaders.from_lists(".", photos, list("ababa"), item_tfms=Resize(224), bs=2, num_workers=0,
                                   batch_tfms=Normalize.from_stats(*imagenet_stats))
net = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
learner = Learner(data, net)
learner.export(file)
with learner.no_bar():
    chances = [learner.predict(photo)[2].numpy() for photo in photos]
"""

ULTRALYTICS = """
import torch
from ultralytics import YOLO
torch.manual_seed(0)
model = YOLO("yolo11n-cls.yaml")
for layer in model.model.modules():
    if isinstance(layer, torch.nn.BatchNorm2d):
        layer.momentum = 1
with torch.no_grad():
    model.model.train()(torch.rand(4, 3, 224, 224))
    model.model.model[-1].linear.weight.mul_(20)
model.model.eval()
model.save(file)
chances = [result.probs.data.numpy() for result in YOLO(file).predict(photos, verbose=False)]
"""

FRAME = """
import sys, numpy
from PIL import Image
file, expected, *photos = sys.argv[1:]
{}
numpy.save(expected, chances)
"""


@dataclass(frozen=True)
class Program:
    """A program that writes files of its own.

    Attributes:
        script: writes `file`, and computes the program's own probabilities (N, K) of photos.
        file: name of that file.
        options: what the user has to say of the exported file.
        tolerance: largest difference of a probability.
    """

    script: str
    file: str
    options: ForeignOptions
    tolerance: float = 1e-4


PROGRAMS = {
    "keras": Program(KERAS, "net.keras", ForeignOptions(parse_normalization("0..255"), ResizeTo("squash"))),
    "fastai": Program(
        FASTAI,
        "export.pkl",
        ForeignOptions(parse_normalization("imagenet"), ResizeTo("shortest")),
        0.01,  # it crops first, and then resizes
    ),
    "ultralytics": Program(ULTRALYTICS, "net.pt", NOTHING_SAID),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_file_exported_as_the_hint_says(name: str, tmp_path: Path) -> None:
    if find_spec(name) is None:  # importing Keras needs its backend to be chosen
        pytest.skip(f"{name} is not installed")
    program = PROGRAMS[name]
    environment = os.environ | {
        "KERAS_BACKEND": "torch",
        "YOLO_CONFIG_DIR": str(tmp_path),
        "YOLO_AUTOINSTALL": "0",
        "YOLO_OFFLINE": "1",
    }

    def start(*command: str | Path) -> None:
        subprocess.run(
            [sys.executable, *command], check=True, cwd=tmp_path, env=environment, capture_output=True
        )

    start("-c", FRAME.format(program.script), program.file, "expected.npy", *PHOTOS)
    with pytest.raises(CnncliError) as error:
        Reference(str(tmp_path / program.file)).find_folder()
    start(*export_arguments(error.value.hint or ""))
    folder = prepare(Reference(str(tmp_path / "net.onnx"), foreign=program.options), NullProgress())
    images = [preprocess(Image.open(photo).convert("RGB"), folder.card.preprocessing) for photo in PHOTOS]
    actual = probabilities(OnnxEngine(folder.require_graph()).run(np.stack(images)).logits)
    expected = np.load(tmp_path / "expected.npy")
    assert (
        np.ptp(expected, axis=0).max() > 2 * program.tolerance
    )  # so that another preprocessing would be seen
    np.testing.assert_allclose(actual, expected, rtol=0, atol=program.tolerance)


def export_arguments(hint: str) -> list[str]:
    """The arguments for Python of the command in a hint."""
    if "yolo export" in hint:
        words = shlex.split(hint[hint.index("yolo export") :].partition(";")[0])
        return ["-c", "from ultralytics.cfg import entrypoint; entrypoint()", *words[1:]]
    return ["-c", hint.split('"')[1]]
