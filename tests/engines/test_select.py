"""Which engine runs a network, and what is said where none can."""

import dataclasses
from pathlib import Path

import pytest

from cnncli.engines import select
from cnncli.engines.engine import EngineRequest
from cnncli.engines.onnx import OnnxEngine
from cnncli.engines.select import ENGINES, open_engine, resolve
from cnncli.engines.torch import TorchEngine
from cnncli.errors import UsageError
from cnncli.export.export import export_network
from cnncli.export.settings import ExportSettings
from cnncli.networks.model_folder import ModelFolder, open_folder
from cnncli.networks.reference import Reference
from cnncli.prepare import prepare
from cnncli.records.engines import EngineName, EngineOptions, Precision
from cnncli.records.networks import Head, HeadKind
from cnncli.records.progress import NullProgress


def test_every_engine_has_a_row() -> None:
    assert {spec.name for spec in ENGINES} == set(EngineName) - {EngineName.AUTO}


def test_the_engine_for_each_device_and_precision(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = open_folder(tiny)
    assert isinstance(open_engine(folder, EngineOptions(), NullProgress()), OnnxEngine)
    assert isinstance(open_engine(folder, EngineOptions(EngineName.TORCH), NullProgress()), TorchEngine)
    assert isinstance(
        open_engine(folder, EngineOptions(precision=Precision.BF16), NullProgress()), TorchEngine
    )
    requests = []

    def record_request(request: EngineRequest) -> None:
        requests.append((request.device, request.precision))

    monkeypatch.setattr("cnncli.engines.torch.open_engine", record_request)
    monkeypatch.setattr(select, "_cuda_is_visible", lambda: True)
    open_engine(folder, EngineOptions(), NullProgress())
    assert requests == [("cuda", Precision.FP32)]
    assert isinstance(open_engine(folder, EngineOptions(EngineName.ONNX), NullProgress()), OnnxEngine)
    assert isinstance(open_engine(folder, EngineOptions(device="cpu"), NullProgress()), OnnxEngine)


def test_networks_that_torch_cannot_run_stay_on_the_cpu(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever device there is, where nobody asked for one."""
    monkeypatch.setattr(select, "_cuda_is_visible", lambda: True)
    export_network(open_folder(tiny), ExportSettings(tmp_path / "net.onnx"), NullProgress())
    exported = prepare(Reference(str(tmp_path / "net.onnx")), NullProgress())
    card = open_folder(tiny).card
    head = Head(HeadKind.NEIGHBOURS, "fc", 8, 8)
    neighbours = ModelFolder(
        tiny, dataclasses.replace(card, architecture=dataclasses.replace(card.architecture, head=head))
    )
    for folder, told in (
        (exported, "an exported network runs on ONNX Runtime only"),
        (neighbours, "a nearest-neighbour classifier runs on ONNX Runtime only"),
    ):
        assert isinstance(open_engine(folder, EngineOptions(), NullProgress()), OnnxEngine)
        for options in (
            EngineOptions(device="cuda"),
            EngineOptions(precision=Precision.BF16),
            EngineOptions(EngineName.TORCH, "cpu"),
        ):
            with pytest.raises(UsageError, match=told):
                open_engine(folder, options, NullProgress())


@pytest.mark.parametrize("precision", [Precision.BF16, Precision.FP32])
def test_automatic_precision_is_bf16_where_that_is_native(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, precision: Precision
) -> None:
    folder = open_folder(tiny)
    monkeypatch.setattr("cnncli.engines.torch.has_bf16", lambda _device: precision is Precision.BF16)
    for engine, device in (
        (EngineName.TORCH, "cpu"),
        (EngineName.AUTO, "cuda"),
        (EngineName.TORCH, "cuda:1"),
    ):
        resolved = resolve(folder, EngineOptions(engine, device, Precision.AUTO))
        assert (resolved.device, resolved.precision) == (device, precision)
        assert resolve(folder, resolved) == resolved
        assert resolved.engine is (EngineName.TORCH if precision is Precision.BF16 else engine)


def test_automatic_precision_is_fp32_where_bf16_would_be_slower_or_impossible(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch's bf16 on a CPU is slower than ONNX Runtime's fp32."""
    monkeypatch.setattr("cnncli.engines.torch.has_bf16", lambda _device: True)
    monkeypatch.setattr(select.EngineSpec, "is_installed", property(lambda spec: spec.package != "openvino"))
    folder = open_folder(tiny)
    for engine in (EngineName.AUTO, EngineName.ONNX):
        options = EngineOptions(engine, "cpu", Precision.AUTO)
        assert resolve(folder, options) == EngineOptions(engine, "cpu", Precision.FP32)
        assert isinstance(open_engine(folder, options, NullProgress()), OnnxEngine)
    inner = resolve(folder, EngineOptions(precision=Precision.AUTO), needs_layers=True)
    assert inner == EngineOptions(EngineName.AUTO, "cpu", Precision.FP32)


def test_without_a_gpu_driver_torch_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr("cnncli.engines.torch.cuda_is_available", None)
    assert not select._cuda_is_visible()
