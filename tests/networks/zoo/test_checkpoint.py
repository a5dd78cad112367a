"""Weights files are read safely: every usual wrapping is taken off, and nothing is run."""

import argparse
import importlib
import os
import pickle
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim.lr_scheduler import LinearLR, SequentialLR, StepLR

from cnncli.errors import WeightsError
from cnncli.networks.zoo.checkpoint import read_checkpoint
from cnncli.records.progress import NullProgress


class Listener(NullProgress):
    def __init__(self) -> None:
        self.notices: list[str] = []

    def notice(self, message: str) -> None:
        self.notices.append(message)


def network(classes: int = 4) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(5, classes))


def plain() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return network().state_dict()


def same(actual: dict[str, torch.Tensor]) -> bool:
    expected = plain()
    return actual.keys() == expected.keys() and all(
        torch.equal(actual[name], expected[name]) for name in expected
    )


def tensors_in(file: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(file, NullProgress()).tensors


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_safetensors_are_read_whatever_the_file_extension(tmp_path: Path, suffix: str) -> None:
    save_file(plain(), tmp_path / f"w{suffix}")
    assert same(tensors_in(tmp_path / f"w{suffix}"))


@pytest.mark.parametrize("key", [None, "state_dict", "model", "model_state_dict", "net", "my_net"])
def test_checkpoints(tmp_path: Path, key: str | None) -> None:
    tensors = plain()
    torch.save({key: tensors, "epoch": 3, "optimizer": {"lr": 0.1}} if key else tensors, tmp_path / "w.pt")
    assert same(tensors_in(tmp_path / "w.pt"))


@pytest.mark.parametrize("key", ["state_dict_ema", "model_ema"])
def test_an_averaged_copy_is_preferred_and_reported(tmp_path: Path, key: str) -> None:
    other = {name: value + 1 for name, value in plain().items()}
    averaged = plain()
    torch.save({"state_dict": other, key: averaged}, tmp_path / "w.pt")
    listener = Listener()
    assert same(read_checkpoint(tmp_path / "w.pt", listener).tensors)
    assert listener.notices == [f"w.pt: using the averaged weights under {key!r}"]


def test_an_empty_averaged_copy_is_ignored(tmp_path: Path) -> None:
    torch.save({"state_dict": plain(), "state_dict_ema": {}}, tmp_path / "w.pt")
    assert same(tensors_in(tmp_path / "w.pt"))


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch exploded",)


@pytest.mark.parametrize("method", ["torch", "pickle"])
def test_a_pickle_that_would_run_code_is_refused_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.chdir(tmp_path)
    content = {"epoch": 1, "bomb": Bomb()}
    if method == "torch":
        torch.save(content, "w.pt")
    else:
        Path("w.pt").write_bytes(pickle.dumps(content))
    with pytest.raises(WeightsError) as caught:
        read_checkpoint(Path("w.pt"), NullProgress())
    assert "system" in caught.value.message
    assert "unsafe" in caught.value.message
    assert "\n" not in caught.value.message
    assert not Path("exploded").exists()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("w.safetensors", b"\x10\0\0\0\0\0\0\0{broken"),
        ("w.safetensors", b""),
        ("w.pt", b""),
        ("w.pt", b"hello"),
        ("w.pt", b"PK\x03\x04 not a zip"),
        ("w.pt", pickle.dumps([1, 2])),
        ("w.pt", pickle.dumps({"epoch": 1})),
    ],
)
def test_invalid_weights_files_are_errors(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(WeightsError) as caught:
        read_checkpoint(tmp_path / name, NullProgress())
    assert str(tmp_path / name) in caught.value.message
    assert "\n" not in caught.value.message


def test_an_archive_that_inflates_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"w": torch.zeros(5_000_000)}, tmp_path / "stored.pt")
    with (
        zipfile.ZipFile(tmp_path / "stored.pt") as stored,
        zipfile.ZipFile(tmp_path / "w.pt", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for entry in stored.infolist():
            bomb.writestr(entry.filename, stored.read(entry), zipfile.ZIP_DEFLATED)
    monkeypatch.setattr(torch, "load", None)
    with pytest.raises(WeightsError, match=r"w\.pt is unsafe: .* kB that would take 20\.0 MB of memory"):
        tensors_in(tmp_path / "w.pt")


def test_a_tensor_that_is_larger_than_its_data_is_refused(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(1).expand(1_000_000_000, 512)}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match=r"unsafe: .* that would take 2\.05 TB of memory"):
        tensors_in(tmp_path / "w.pt")


def test_an_empty_file_and_a_torchscript_archive(tmp_path: Path) -> None:
    (tmp_path / "empty.pt").touch()
    with pytest.raises(WeightsError, match=r"empty\.pt is empty"):
        read_checkpoint(tmp_path / "empty.pt", NullProgress())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "script.pt")
    with pytest.raises(WeightsError, match=r"TorchScript|more than tensors"):
        read_checkpoint(tmp_path / "script.pt", NullProgress())


def test_a_checkpoint_of_timm_is_read(tmp_path: Path) -> None:
    """Written by timm's own saver, with the arguments of its training script and a best metric from NumPy."""
    from timm.utils.checkpoint_saver import CheckpointSaver

    module = network()
    module.load_state_dict(plain())
    arguments = argparse.Namespace(model="resnet18", data_dir=Path("/data"), mean=[0.5], amp_dtype="float16")
    saver = CheckpointSaver(
        module,
        torch.optim.SGD(module.parameters(), 0.1),
        args=arguments,
        checkpoint_dir=str(tmp_path),
        recovery_dir=str(tmp_path),
    )
    saver.save_checkpoint(0, metric=np.float64(71.5))
    checkpoint = read_checkpoint(tmp_path / "model_best.pth.tar", NullProgress())
    assert same(checkpoint.tensors)
    assert checkpoint.architecture == "resnet18"


def test_a_checkpoint_of_torchvision_is_read(tmp_path: Path) -> None:
    """With the content that references/classification/train.py saves."""
    module = network()
    module.load_state_dict(plain())
    optimizer = torch.optim.SGD(module.parameters(), 0.1, momentum=0.9)
    schedules = [LinearLR(optimizer), StepLR(optimizer, 3)]
    checkpoint = {
        "model": module.state_dict(),
        "optimizer": optimizer.state_dict(),
        "lr_scheduler": SequentialLR(optimizer, schedules, [2]).state_dict(),
        "epoch": 3,
        "args": argparse.Namespace(model="resnet18", device="cuda", output_dir=Path("out")),
        "scaler": {"scale": 65536.0},
    }
    torch.save(checkpoint, tmp_path / "checkpoint.pth")
    content = read_checkpoint(tmp_path / "checkpoint.pth", NullProgress())
    assert same(content.tensors)
    assert content.architecture == "resnet18"


def test_a_checkpoint_of_pytorchs_imagenet_example_is_read(tmp_path: Path) -> None:
    content = {
        "epoch": 1,
        "arch": "resnet18",
        "state_dict": plain(),
        "best_acc1": np.float32(3),
        "acc": np.ones(3),
    }
    torch.save(content, tmp_path / "w.pt")
    assert same(tensors_in(tmp_path / "w.pt"))


def test_a_checkpoint_of_mmengine_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds the history of the training: objects of a class of MMEngine, with references to their methods."""
    (tmp_path / "mmengine/logging").mkdir(parents=True)
    (tmp_path / "mmengine/logging/history_buffer.py").write_text(
        "import numpy\n"
        "class HistoryBuffer:\n"
        "    def __init__(self): self.history, self.methods = numpy.zeros(2), {'min': HistoryBuffer.min}\n"
        "    def min(self): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    history = importlib.import_module("mmengine.logging.history_buffer").HistoryBuffer()
    torch.save({"message_hub": {"loss": history}, "state_dict": plain()}, tmp_path / "w.pt")
    for name in [name for name in sys.modules if name.startswith("mmengine")]:
        monkeypatch.delitem(sys.modules, name)
    assert same(tensors_in(tmp_path / "w.pt"))
    assert "mmengine" not in sys.modules


def test_what_stands_in_for_a_name_in_a_pickle_calls_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names that are ignored cannot be used to reach others: `getattr` looks nothing up."""

    class Lookup:
        def __reduce__(self) -> tuple[object, tuple[object, str]]:
            return getattr, (Path, "cwd")

    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": plain(), "lookup": Lookup()}, "w.pt")
    assert same(tensors_in(Path("w.pt")))
    torch.save({"state_dict": plain(), "lookup": (getattr, Bomb())}, "bomb.pt")
    with pytest.raises(WeightsError, match=r"unsafe: unpickling it would call .*system"):
        tensors_in(Path("bomb.pt"))
    assert not Path("exploded").exists()


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_8_bit_floats_are_widened(tmp_path: Path, suffix: str) -> None:
    small = {
        name: value.to(torch.float8_e4m3fn) for name, value in plain().items() if value.is_floating_point()
    }
    file = tmp_path / f"w.{suffix}"
    save_file(small, file) if suffix == "safetensors" else torch.save(small, file)
    actual = tensors_in(file)
    assert {value.dtype for value in actual.values()} == {torch.float32}
    assert torch.equal(actual["0.weight"], small["0.weight"].float())


def test_8_bit_floats_with_scales_are_refused(tmp_path: Path) -> None:
    scaled = {"0.weight": torch.ones(4, 4).to(torch.float8_e4m3fn), "0.weight_scale_inv": torch.ones(1)}
    save_file(scaled, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=r"8-bit floats with scales \(0\.weight_scale_inv\); quantized"):
        tensors_in(tmp_path / "w.safetensors")


def test_a_checkpoint_without_weights_says_what_it_holds(tmp_path: Path) -> None:
    torch.save({"epoch": 1, "optimizer": {"lr": 0.1}}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match=r"w\.pt holds no weights, only epoch, optimizer"):
        tensors_in(tmp_path / "w.pt")


def test_a_dict_that_holds_itself_ends(tmp_path: Path) -> None:
    outer: dict[str, object] = {}
    outer["model"] = {"net": outer}
    torch.save(outer, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="holds no weights"):
        tensors_in(tmp_path / "w.pt")
