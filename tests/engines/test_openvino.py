"""OpenVINO, where it is installed, against ONNX Runtime on the same file."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from cnncli.engines.onnx import OnnxEngine
from cnncli.engines.select import open_engine, resolve
from cnncli.errors import MissingPackageError, ModelFolderError, UsageError
from cnncli.networks.model_folder import GRAPH, open_folder
from cnncli.records.engines import EngineName, EngineOptions, Precision
from cnncli.records.progress import NullProgress

pytest.importorskip("cnncli.engines.openvino", exc_type=ImportError)

from cnncli.engines.openvino import OpenVinoEngine, computes_in


@pytest.mark.parametrize("count", [1, 2, 7])
def test_fp32_agrees_with_onnx_runtime(tiny: Path, count: int) -> None:
    pixels = np.random.default_rng(0).random((count, 3, 160, 160), dtype=np.float32)
    one, other = (
        engine.run(pixels)
        for engine in (OnnxEngine(tiny / GRAPH), OpenVinoEngine(tiny / GRAPH, Precision.FP32))
    )
    assert other.logits.dtype == other.embeddings.dtype == np.float32
    assert np.abs(one.logits - other.logits).max() <= 1e-4 * np.ptp(one.logits)
    np.testing.assert_allclose(other.embeddings, one.embeddings, atol=1e-4 * np.abs(one.embeddings).max())


@pytest.mark.skipif(not computes_in(Precision.BF16), reason="this processor does not compute in bf16")
def test_bf16_is_close_to_fp32(tiny: Path) -> None:
    pixels = np.random.default_rng(0).random((4, 3, 160, 160), dtype=np.float32)
    exact = OnnxEngine(tiny / GRAPH).run(pixels).logits
    result = OpenVinoEngine(tiny / GRAPH, Precision.BF16).run(pixels).logits
    difference = np.abs(result - exact).max() / np.ptp(exact)
    assert 1e-5 < difference < 0.05


@pytest.mark.parametrize("precision", [Precision.BF16, Precision.FP16])
def test_a_precision_that_the_processor_lacks_is_refused(tiny: Path, precision: Precision) -> None:
    if computes_in(precision):
        pytest.skip(f"this processor computes in {precision}")
    with pytest.raises(UsageError, match=f"instead of {precision} on this processor"):
        OpenVinoEngine(tiny / GRAPH, precision)


@pytest.mark.parametrize("precision", [Precision.BF16, Precision.FP32])
def test_automatic_precision(tiny: Path, monkeypatch: pytest.MonkeyPatch, precision: Precision) -> None:
    monkeypatch.setattr("cnncli.engines.openvino.computes_in", lambda _precision: precision is Precision.BF16)
    for engine in (EngineName.AUTO, EngineName.OPENVINO):
        resolved = resolve(open_folder(tiny), EngineOptions(engine, "cpu", Precision.AUTO))
        used = EngineName.OPENVINO if precision is Precision.BF16 else engine
        assert resolved == EngineOptions(used, "cpu", precision)


def test_openvino_is_used_only_if_requested(tiny: Path) -> None:
    folder = open_folder(tiny)
    chosen = open_engine(folder, EngineOptions(EngineName.OPENVINO), NullProgress())
    assert str(chosen).startswith("OpenVINO ")
    with pytest.raises(UsageError, match="--engine openvino is not possible: it runs on cpu, not on cuda"):
        open_engine(folder, EngineOptions(EngineName.OPENVINO, "cuda"), NullProgress())


def test_a_damaged_graph(tmp_path: Path) -> None:
    (tmp_path / GRAPH).write_bytes(b"not a graph")
    with pytest.raises(ModelFolderError, match="OpenVINO cannot open"):
        OpenVinoEngine(tmp_path / GRAPH, Precision.FP32)


def test_a_missing_package_is_an_error_with_a_hint(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "openvino" else real(name))
    with pytest.raises(MissingPackageError, match="needs the package openvino") as caught:
        open_engine(open_folder(tiny), EngineOptions(EngineName.OPENVINO), NullProgress())
    assert str(caught.value.hint).endswith("pip install 'cnncli[openvino]'")
