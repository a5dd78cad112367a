"""Local weights: every usual wrapping is taken off, nothing is run, what does not fit is named."""

import os
import pickle
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cnncli.errors import WeightsError
from cnncli.networks.zoo.weights import (
    infer_num_classes,
    load_into,
    load_saved,
    read_state_dict,
    save_state_dict,
    shapes,
)
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


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_safetensors_are_read_whatever_the_file_extension(tmp_path: Path, suffix: str) -> None:
    save_file(plain(), tmp_path / f"w{suffix}")
    assert same(read_state_dict(tmp_path / f"w{suffix}", NullProgress()))


@pytest.mark.parametrize("key", [None, "state_dict", "model", "model_state_dict", "net"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "model.", "module._orig_mod."])
def test_checkpoints(tmp_path: Path, key: str | None, prefix: str) -> None:
    tensors = {prefix + name: value for name, value in plain().items()}
    torch.save({key: tensors, "epoch": 3, "optimizer": {"lr": 0.1}} if key else tensors, tmp_path / "w.pt")
    assert same(read_state_dict(tmp_path / "w.pt", NullProgress()))


@pytest.mark.parametrize("key", ["state_dict_ema", "model_ema"])
def test_an_averaged_copy_is_preferred_and_reported(tmp_path: Path, key: str) -> None:
    other = {name: value + 1 for name, value in plain().items()}
    averaged = {"module." + name: value for name, value in plain().items()} | {"n_averaged": torch.tensor(7)}
    torch.save({"state_dict": other, key: averaged}, tmp_path / "w.pt")
    listener = Listener()
    assert same(read_state_dict(tmp_path / "w.pt", listener))
    assert listener.notices == [f"w.pt: using the averaged weights under {key!r}"]


def test_an_empty_averaged_copy_is_ignored(tmp_path: Path) -> None:
    torch.save({"state_dict": plain(), "state_dict_ema": {}}, tmp_path / "w.pt")
    assert same(read_state_dict(tmp_path / "w.pt", NullProgress()))


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
        read_state_dict(Path("w.pt"), NullProgress())
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
        read_state_dict(tmp_path / name, NullProgress())
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
        read_state_dict(tmp_path / "w.pt", NullProgress())


def test_a_tensor_that_is_larger_than_its_data_is_refused(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(1).expand(1_000_000_000, 512)}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match=r"unsafe: .* that would take 2\.05 TB of memory"):
        read_state_dict(tmp_path / "w.pt", NullProgress())


def test_an_empty_file_and_a_torchscript_archive(tmp_path: Path) -> None:
    (tmp_path / "empty.pt").touch()
    with pytest.raises(WeightsError, match=r"empty\.pt is empty"):
        read_state_dict(tmp_path / "empty.pt", NullProgress())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "script.pt")
    with pytest.raises(WeightsError, match=r"TorchScript|more than tensors"):
        read_state_dict(tmp_path / "script.pt", NullProgress())


def test_the_class_count_is_read_from_the_last_layer() -> None:
    assert infer_num_classes(shapes(network(7).state_dict()), shapes(network(4).state_dict()), 4) == 7
    assert infer_num_classes(shapes(network(4).state_dict()), shapes(network(4).state_dict()), 4) == 4
    assert infer_num_classes({"other": (7, 5)}, shapes(network(4).state_dict()), 4) == 4


def test_weights_that_do_not_fit_are_listed() -> None:
    tensors = plain()
    tensors["0.weight"] = torch.zeros(5, 1, 3, 3)
    del tensors["3.bias"]
    tensors["extra"] = torch.zeros(1)
    with pytest.raises(WeightsError) as caught:
        load_into(network(), tensors, "w.pt")
    assert caught.value.message == (
        "w.pt does not fit the network: 0.weight is 5 x 1 x 3 x 3 instead of 5 x 3 x 3 x 3; "
        "3.bias is missing; extra is not part of the network"
    )


def test_long_lists_of_problems_are_shortened() -> None:
    with pytest.raises(WeightsError, match="and 5 more"):
        load_into(network(), {"a": torch.zeros(1), "b": torch.zeros(1)}, "w.pt")


def test_saved_weights_are_read_back(tmp_path: Path) -> None:
    torch.manual_seed(1)
    first, second = network(), network()
    first[3].weight = second[3].weight  # type: ignore[index]
    save_state_dict(first, tmp_path / "w.safetensors")
    third = network()
    load_saved(third, tmp_path / "w.safetensors")
    assert all(
        torch.equal(a, b)
        for a, b in zip(first.state_dict().values(), third.state_dict().values(), strict=True)
    )
    (tmp_path / "w.safetensors").write_bytes(b"no")
    with pytest.raises(WeightsError, match="damaged"):
        load_saved(third, tmp_path / "w.safetensors")
