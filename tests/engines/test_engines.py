"""Engines answer what can be computed by hand, in any number of parts, and both alike."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from cnncli.engines.adapters import FlipAverage, RetryOnOom
from cnncli.engines.engine import Outputs
from cnncli.engines.onnx import OnnxEngine
from cnncli.engines.torch import TorchEngine
from cnncli.errors import ModelFolderError, OutOfMemoryError, UsageError
from cnncli.images.preprocess import Pixels
from cnncli.logits import probabilities
from cnncli.networks.model_folder import GRAPH, draft_folder, open_folder, seal
from cnncli.records.engines import EngineOptions, Precision
from tests.conftest import ROOT, Cnncli
from tests.networks_for_tests import SHARPNESS, colour_card


def images(count: int, size: int = 8) -> Pixels:
    return np.random.default_rng(0).random((count, 3, size, size), dtype=np.float32)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_onnx_runtime(colours: Path, count: int) -> None:
    pixels = images(count)
    outputs = OnnxEngine(colours / GRAPH).run(pixels)
    means = pixels.mean(axis=(2, 3))
    assert outputs.logits.dtype == outputs.embeddings.dtype == np.float32
    np.testing.assert_allclose(outputs.embeddings, means, rtol=1e-5)
    np.testing.assert_allclose(outputs.logits, means * SHARPNESS, rtol=1e-5)


def test_a_damaged_graph(tmp_path: Path) -> None:
    (tmp_path / GRAPH).write_bytes(b"not a graph")
    with pytest.raises(ModelFolderError, match="cannot be opened"):
        OnnxEngine(tmp_path / GRAPH)


def foreign_graph(*, image: str, rank: int, kind: int, output: str, classes: int) -> onnx.ModelProto:
    """A sound ONNX file that averages its input over all axes but the first, and repeats the mean."""
    mean, cast = "mean", helper.make_node("Cast", ["mean"], ["float"], to=TensorProto.FLOAT)
    axes = np.arange(1, rank, dtype=np.int64)
    nodes = [
        helper.make_node("ReduceMean", [image, "axes"], [mean], keepdims=0),
        cast,
        helper.make_node("Unsqueeze", ["float", "one"], ["column"]),
        helper.make_node("Concat", ["column"] * classes, [output], axis=1),
        helper.make_node("Concat", ["column"] * 3, ["embedding"], axis=1),
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in (output, "embedding")]
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info(image, kind, [None] * rank)],
        outputs,
        [numpy_helper.from_array(axes, "axes"), numpy_helper.from_array(np.array([1], np.int64), "one")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": "pixels"}, "is not a compiled network: it maps pixels to embedding, logits"),
        ({"output": "scores"}, "is not a compiled network: it maps images to embedding, scores"),
        ({"rank": 3}, "cannot be run"),
        ({"kind": TensorProto.DOUBLE}, "cannot be run"),
        (
            {"classes": 5},
            "does not fit its card: its output logits is float32 of 1 x 5, not float32 of 1 x 3",
        ),
    ],
)
def test_a_sound_graph_that_is_no_compiled_network(
    cnncli: Cnncli, tmp_path: Path, change: dict[str, Any], message: str, engine: str
) -> None:
    if engine == "openvino":
        pytest.importorskip("openvino")
    usual: dict[str, Any] = {
        "image": "images",
        "rank": 4,
        "kind": TensorProto.FLOAT,
        "output": "logits",
        "classes": 3,
    }
    with draft_folder(tmp_path / "net") as draft:
        onnx.save(foreign_graph(**usual | change), draft / GRAPH)
        seal(draft, colour_card())
    result = cnncli(
        "predict", ROOT / "sample_images" / "lemon.jpg", "-m", tmp_path / "net", "--engine", engine
    )
    if engine == "onnx" or "classes" in change:
        assert message in result.stderr
    if engine == "onnx" or change.keys() & {"output", "rank", "classes"}:  # OpenVINO converts numbers
        assert result.exit_code == 1
        assert result.stderr.startswith("error: ")
    assert isinstance(result.exception, SystemExit | None)


def test_onnx_and_torch_agree(tiny: Path) -> None:
    folder = open_folder(tiny)
    pixels = images(5, 160)
    onnx = OnnxEngine(tiny / GRAPH).run(pixels)
    torch = TorchEngine(folder, "cpu", Precision.FP32).run(pixels)
    spread = np.ptp(torch.logits)
    assert np.abs(onnx.logits - torch.logits).max() <= 1e-4 * spread
    np.testing.assert_allclose(onnx.embeddings, torch.embeddings, atol=1e-4)
    assert onnx.embeddings.shape == (5, folder.card.embedding.size)


def test_the_embedding_is_the_input_of_the_last_layer(tiny: Path) -> None:
    from safetensors.numpy import load_file

    tensors = load_file(tiny / "model.safetensors")
    outputs = OnnxEngine(tiny / GRAPH).run(images(2, 160))
    expected = outputs.embeddings @ tensors["fc.weight"].T + tensors["fc.bias"]
    np.testing.assert_allclose(outputs.logits, expected, atol=1e-4)


@pytest.mark.parametrize("precision", [Precision.BF16, Precision.FP16])
def test_lower_precisions_are_close_to_fp32(tiny: Path, precision: Precision) -> None:
    folder, pixels = open_folder(tiny), images(2, 160)
    exact = TorchEngine(folder, "cpu", Precision.FP32).run(pixels).logits
    rough = TorchEngine(folder, "cpu", precision).run(pixels)
    assert rough.logits.dtype == np.float32
    assert 0 < np.abs(rough.logits - exact).max() < 0.05 * np.ptp(exact)


@pytest.mark.parametrize("device", ["cuda:99", "mps"])
def test_missing_devices_are_errors(tiny: Path, device: str) -> None:
    import torch

    if device == "mps" and torch.backends.mps.is_available():
        pytest.skip("this machine has an Apple GPU")
    with pytest.raises(UsageError):
        TorchEngine(open_folder(tiny), device, Precision.FP32)


class Small:
    """An engine with memory for three images."""

    batch_size = 8

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def run(self, pixels: Pixels) -> Outputs:
        self.sizes.append(len(pixels))
        if len(pixels) > 3:
            raise OutOfMemoryError("no memory")
        return Outputs(pixels[:, :, 0, 0], pixels[:, :, 0, 0])


def test_out_of_memory_halves_the_batch_size_for_good() -> None:
    small = Small()
    engine, pixels = RetryOnOom(small), images(8)
    for _ in range(2):
        np.testing.assert_array_equal(engine.run(pixels).logits, pixels[:, :, 0, 0])
    assert small.sizes == [8, 4, 2, 2, 2, 2, 2, 2, 2, 2]


def test_out_of_memory_with_one_image_is_an_error() -> None:
    class Full:
        batch_size = 8

        def run(self, pixels: Pixels) -> Outputs:
            raise OutOfMemoryError(f"no memory for {len(pixels)}")

    with pytest.raises(OutOfMemoryError, match="no memory for 1"):
        RetryOnOom(Full()).run(images(8))


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_onnx_runtimes_out_of_memory_is_translated(tiny: Path) -> None:
    program = (
        "import resource, sys\nfrom pathlib import Path\nimport numpy as np\n"
        "from cnncli.engines.onnx import OnnxEngine\nfrom cnncli.errors import OutOfMemoryError\n"
        f"engine = OnnxEngine(Path({str(tiny / GRAPH)!r}))\n"
        "pixels = np.zeros((1500, 3, 160, 160), np.float32)\n"
        "used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 300_000_000,) * 2)\n"
        "try:\n    engine.run(pixels)\nexcept OutOfMemoryError as error:\n    print(error)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "out of memory with a batch of 1500\n"


def test_cudas_out_of_memory_is_translated(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    engine = TorchEngine(open_folder(tiny), "cpu", Precision.FP32)

    def full(_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(engine, "_network", full)
    with pytest.raises(OutOfMemoryError, match="out of memory with a batch of 2"):
        engine.run(images(2, 160))


def test_flip_averaging_is_the_mean_over_mirrored_images() -> None:
    class Left:
        """Logits are the upper left pixel: mirroring shows."""

        batch_size = 8

        def run(self, pixels: Pixels) -> Outputs:
            return Outputs(pixels[:, :, 0, 0] * 5, pixels[:, :, 0, 0])

    pixels = images(4)
    plain, mirrored = Left().run(pixels), Left().run(pixels[..., ::-1])
    both = FlipAverage(Left(), ()).run(pixels)
    np.testing.assert_allclose(
        probabilities(both.logits),
        (probabilities(plain.logits) + probabilities(mirrored.logits)) / 2,
        rtol=1e-5,
    )
    np.testing.assert_allclose(both.embeddings, (plain.embeddings + mirrored.embeddings) / 2, rtol=1e-6)


@pytest.mark.parametrize("device", ["toaster", "meta", "xpu", "cuda:x", ""])
def test_invalid_device_names_are_errors(device: str) -> None:
    with pytest.raises(UsageError, match="is not a device"):
        EngineOptions(device=device)
