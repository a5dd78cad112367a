"""ONNX Runtime on a GPU; its package for CUDA, the driver and the GPU are stood in for."""

import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from cnncli.engines import onnx
from cnncli.engines.engine import GPU_BATCH_SIZE
from cnncli.engines.onnx import OnnxEngine
from cnncli.engines.select import open_engine, open_in_background, resolve
from cnncli.engines.torch import TorchEngine
from cnncli.errors import ModelFolderError, OutOfMemoryError, UsageError
from cnncli.networks.model_folder import GRAPH, open_folder
from cnncli.records.engines import EngineName, EngineOptions, InferenceOptions, Precision
from cnncli.records.progress import NullProgress
from tests.conftest import ROOT, Cnncli

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
LEMON = ROOT / "sample_images" / "lemon.jpg"


class GpuSession(onnxruntime.InferenceSession):  # type: ignore[misc]
    """A session on the CPU that claims to be on the GPU that it was told to use."""

    requested: Sequence[Any] = ()
    works = True

    def __init__(self, graph: Path, options: object, *, providers: Sequence[Any], **more: int) -> None:
        super().__init__(graph, options, providers=[CPU], **more)
        type(self).requested = providers

    def get_providers(self) -> list[str]:
        return [CUDA, CPU] if self.works else [CPU]


@pytest.fixture
def gpu_package(monkeypatch: pytest.MonkeyPatch) -> type[GpuSession]:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", GpuSession)
    problems = "a remark\nFailed to load libcudnn.so.9\n"
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: sys.stdout.write(problems), raising=False)
    return GpuSession


def test_a_prepared_network_runs_on_a_gpu(tiny: Path, gpu_package: type[GpuSession]) -> None:
    folder = open_folder(tiny)
    pixels = np.random.default_rng(0).random((2, 3, 160, 160), dtype=np.float32)
    for engine, device, number in ((EngineName.AUTO, "cuda", "0"), (EngineName.ONNX, "cuda:1", "1")):
        opened = open_engine(folder, EngineOptions(engine, device), NullProgress())
        (provider, settings), fallback = gpu_package.requested
        assert (provider, settings["device_id"], settings["use_tf32"], fallback) == (CUDA, number, "0", CPU)
        assert str(opened) == f"ONNX Runtime {onnxruntime.__version__} on {device}, fp32"
        assert opened.batch_size == GPU_BATCH_SIZE
        expected = OnnxEngine(tiny / GRAPH).run(pixels)
        np.testing.assert_array_equal(opened.run(pixels).logits, expected.logits)


def test_what_is_not_asked_for_a_gpu_stays_as_it_is(
    tiny: Path, gpu_package: type[GpuSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = open_folder(tiny)
    assert isinstance(open_engine(folder, EngineOptions(), NullProgress()), OnnxEngine)
    assert gpu_package.requested == [CPU]
    bf16 = EngineOptions(precision=Precision.BF16, device="cpu")
    assert isinstance(open_engine(folder, bf16, NullProgress()), TorchEngine)
    monkeypatch.setattr("cnncli.engines.select._cuda_is_visible", lambda: True)
    assert resolve(folder, EngineOptions()) == EngineOptions(EngineName.TORCH, "cuda")
    assert resolve(folder, EngineOptions(EngineName.ONNX)) == EngineOptions(EngineName.ONNX, "cpu")


def test_a_gpu_without_bf16_in_torch_is_used_in_fp32(tiny: Path, gpu_package: type[GpuSession]) -> None:
    """As where torch was installed without CUDA."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.cuda.is_available", lambda: False)
        automatic = EngineOptions(device="cuda", precision=Precision.AUTO)
        opened = open_engine(open_folder(tiny), automatic, NullProgress())
    assert str(opened).startswith("ONNX Runtime ")
    assert gpu_package.requested[0][0] == CUDA


def test_a_silent_fall_back_to_the_cpu_is_an_error(
    cnncli: Cnncli,
    tiny: Path,
    gpu_package: type[GpuSession],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gpu_package, "works", False)
    result = cnncli("predict", LEMON, "-m", tiny, "--device", "cuda:1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(
        "error: ONNX Runtime cannot use cuda:1: Failed to load libcudnn.so.9\nhint: "
    )
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    assert "CNNCLI_DEBUG=1" in cnncli("predict", LEMON, "-m", tiny, "--device", "cuda").stderr


@pytest.mark.usefixtures("gpu_package")
def test_failures_of_cuda_are_told_from_those_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / GRAPH).write_bytes(b"not a graph")
    with pytest.raises(ModelFolderError, match="cannot be opened"):
        OnnxEngine(tmp_path / GRAPH, device="cuda")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA failure 100: no CUDA-capable device is detected")

    monkeypatch.setattr(onnxruntime, "InferenceSession", fail)
    with pytest.raises(UsageError, match="cannot use cuda: CUDA failure 100"):
        OnnxEngine(tmp_path / GRAPH, device="cuda")


def test_a_full_gpu_is_out_of_memory(tiny: Path, gpu_package: type[GpuSession]) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("CUDA failure 2: out of memory")

    engine = OnnxEngine(tiny / GRAPH, device="cuda")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(OutOfMemoryError):
        patch.setattr(gpu_package, "run", fail)
        engine.run(np.zeros((1, 3, 160, 160), np.float32))


def test_a_package_without_cuda_leaves_gpus_to_torch(tiny: Path) -> None:
    if onnx.has_cuda():
        pytest.skip("this package was built for CUDA")
    folder = open_folder(tiny)
    with pytest.raises(UsageError, match="the installed package onnxruntime was not built for CUDA"):
        open_engine(folder, EngineOptions(EngineName.ONNX, "cuda"), NullProgress())
    with pytest.raises(UsageError, match="there is no device cuda:99: torch finds"):
        open_engine(folder, EngineOptions(device="cuda:99"), NullProgress())


@pytest.mark.usefixtures("gpu_package")
def test_doctor_reports_whether_a_gpu_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert onnx.describe().endswith("on the CPU, not on CUDA: Failed to load libcudnn.so.9")
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    assert onnx.describe().endswith("on the CPU, and on a GPU with --device cuda")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each session, whether it is opened in the background."""
    sessions: list[bool] = []

    class RecordedSession(onnxruntime.InferenceSession):  # type: ignore[misc]
        def __init__(self, *arguments: object, **more: object) -> None:
            sessions.append(threading.current_thread() is not threading.main_thread())
            super().__init__(*arguments, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", RecordedSession)
    return sessions


def test_predict_opens_one_session_in_the_background(cnncli: Cnncli, tiny: Path, opened: list[bool]) -> None:
    results = [cnncli("predict", LEMON, "-m", tiny, "-f", "tsv") for _ in range(2)]
    assert opened == [True, True]
    assert results[0].exit_code == 0
    assert results[0].stdout == results[1].stdout


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--engine", "torch"), 0, ""),
        (("--precision", "bf16"), 0, ""),
        (("--rollup", "missing.csv"), 2, "missing.csv"),
        (("--classes", "nonsense"), 2, "has no class 'nonsense'"),
    ],
)
def test_predict_opens_no_session_in_vain(
    cnncli: Cnncli, tiny: Path, opened: list[bool], options: tuple[str, str], code: int, message: str
) -> None:
    result = cnncli("predict", LEMON, "-m", tiny, *options)
    assert result.exit_code == code
    assert message in result.stderr
    assert opened == []


def test_a_session_is_taken_over_within_its_block_and_for_its_threads_only(
    tiny: Path, opened: list[bool]
) -> None:
    with onnx.open_in_background(tiny / GRAPH, threads=1):
        OnnxEngine(tiny / GRAPH, threads=1)
    assert opened == [True]
    for inside, after in ((2, 1), (1, 1)):
        opened.clear()
        with onnx.open_in_background(tiny / GRAPH, threads=1):
            OnnxEngine(tiny / GRAPH, threads=inside)
        OnnxEngine(tiny / GRAPH, threads=after)
        assert sorted(opened) == ([False, False, True] if inside != 1 else [False, True])
    assert not onnx._openings


def test_a_problem_in_the_background_is_reported_by_the_engine(tmp_path: Path) -> None:
    (tmp_path / GRAPH).write_bytes(b"not a graph")
    with (
        pytest.raises(ModelFolderError, match="cannot be opened"),
        onnx.open_in_background(tmp_path / GRAPH, None),
    ):
        OnnxEngine(tmp_path / GRAPH)


@pytest.mark.usefixtures("gpu_package")
def test_nothing_is_opened_in_the_background_for_another_engine_or_a_gpu(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx, "open_in_background", None)
    folder = open_folder(tiny)
    for options in (
        EngineOptions(EngineName.TORCH),
        EngineOptions(device="cuda"),
        EngineOptions(precision=Precision.BF16),
        EngineOptions(precision=Precision.AUTO),
    ):
        with open_in_background(folder, InferenceOptions(options)):
            pass
    with pytest.raises(TypeError):  # it would be called
        open_in_background(folder, InferenceOptions())
