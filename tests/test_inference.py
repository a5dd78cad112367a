"""Sessions: outputs for image sources, in input order."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cnncli.engines.engine import Outputs
from cnncli.errors import NotANumberError
from cnncli.features.extract import Extractor
from cnncli.images.loader import InputBatch
from cnncli.images.local_file import LocalFile
from cnncli.images.preprocess import Pixels
from cnncli.images.sources import sources
from cnncli.inference import run
from cnncli.networks.model_folder import open_folder
from cnncli.networks.predict_settings import PredictSettings
from cnncli.predict import Predictor
from cnncli.records.engines import EngineName, EngineOptions, InferenceOptions, Precision
from cnncli.records.predictions import Prediction
from cnncli.records.progress import NullProgress


def test_overflowing_outputs_are_an_error() -> None:
    class Overflowing:
        batch_size = 8

        def run(self, pixels: Pixels) -> Outputs:
            values = np.full((len(pixels), 3), np.inf, np.float32)
            return Outputs(values, values)

    batch = InputBatch((LocalFile("a"),), np.zeros((1, 3, 8, 8), np.float32))
    with pytest.raises(NotANumberError):
        list(run(Overflowing(), [batch], lambda outputs: outputs.embeddings))


def test_onnx_and_torch_give_the_same_records(tiny: Path, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for number in range(12):
        Image.fromarray(draw.integers(0, 256, (60, 80, 3), dtype=np.uint8)).save(
            tmp_path / f"{number:02}.png"
        )
    answers = []
    for engine in (EngineName.ONNX, EngineName.TORCH):
        predictor = Predictor(
            open_folder(tiny),
            PredictSettings(inference=InferenceOptions(EngineOptions(engine))),
            NullProgress(),
        )
        answers.append([r for r in predictor.predict(sources([str(tmp_path)])) if isinstance(r, Prediction)])
    for one, other in zip(*answers, strict=True):
        assert one.source == other.source
        assert [score.index for score in one.scores] == [score.index for score in other.scores]
        for score, reference in zip(one.scores, other.scores, strict=True):
            assert score.probability == pytest.approx(reference.probability, abs=1e-5)
    torch.set_num_threads(2)


@pytest.mark.parametrize("precision", [Precision.BF16, Precision.FP32])
def test_identities_hold_the_precision_that_auto_resolves_to(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, precision: Precision
) -> None:
    monkeypatch.setattr("cnncli.engines.torch.has_bf16", lambda _device: precision is Precision.BF16)
    options = InferenceOptions(EngineOptions(EngineName.TORCH, precision=Precision.AUTO))
    folder, progress = open_folder(tiny), NullProgress()
    predictor = Predictor(folder, PredictSettings(inference=options), progress)
    assert predictor.identity()["precision"] == precision
    assert Extractor(folder, options, progress).identity()["precision"] == precision
    assert str(predictor.session.identity()["engine"]).endswith(f"on cpu, {precision}")
