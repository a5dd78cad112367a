"""doctor reports problems of the installation, and none if everything works."""

import importlib.util
import json
import shutil
from importlib import metadata
from pathlib import Path

import pytest

from cnncli import doctor
from cnncli.networks import cache
from cnncli.networks.model_folder import open_folder
from cnncli.records.diagnosis import Finding, Verdict
from tests.conftest import Cnncli
from tests.hub_server import Hub, run_hub


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CNNCLI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "home"


@pytest.fixture
def model_folder(tiny: Path) -> Path:
    folder = cache.folder_path(open_folder(tiny).card.name)
    shutil.copytree(tiny, folder)
    return folder


def findings(*, is_offline: bool = True, imports: bool = False) -> dict[str, Finding]:
    return {
        finding.subject: finding
        for examination in doctor.examine(is_offline=is_offline, imports=imports)
        for finding in examination.findings
    }


def test_no_problems_in_a_working_installation(model_folder: Path) -> None:
    by_subject = findings(imports=True)
    assert {finding.verdict for finding in by_subject.values()} == {Verdict.OK}
    assert by_subject["torch"].message.startswith("runs networks on cpu (")
    assert by_subject["onnxruntime"].message == metadata.version("onnxruntime")
    assert by_subject["test_resnet.r160_in1k+random"].message.endswith("MB, digests match")
    assert by_subject["CNNCLI_HOME"].message.startswith(str(model_folder.parents[1]))
    assert by_subject["downloads"].message == "disabled by --offline"


def test_a_changed_byte_in_a_prepared_network_is_reported(model_folder: Path) -> None:
    content = bytearray((model_folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (model_folder / "model.safetensors").write_bytes(content)
    finding = findings()[model_folder.name]
    assert finding.verdict is Verdict.BROKEN
    assert "has changed: its SHA-256 is wrong" in finding.message
    assert finding.advice == f"`cnncli models rm {model_folder.name}`, then prepare it again"


def test_a_missing_file_of_a_prepared_network_is_reported(model_folder: Path) -> None:
    (model_folder / "model.onnx").unlink()
    assert findings()[model_folder.name].verdict is Verdict.BROKEN


@pytest.mark.parametrize(("package", "verdict"), [("onnxruntime", Verdict.BROKEN), ("timm", Verdict.WARNING)])
def test_missing_and_old_packages_are_reported(
    package: str, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = metadata.version

    def raise_if_missing(name: str) -> str:
        if name == package:
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", raise_if_missing)
    finding = findings()[package]
    assert finding.verdict is verdict
    assert finding.advice is not None
    assert f"pip install '{package}>=" in finding.advice
    monkeypatch.setattr(metadata, "version", lambda name: "0.1" if name == package else real(name))
    old = findings()[package]
    assert old.verdict is Verdict.WARNING
    assert old.message.startswith("0.1, but >=")


def test_onnxruntime_gpu_stands_in_for_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name == "onnxruntime":
            raise metadata.PackageNotFoundError(name)
        return "1.99" if name == "onnxruntime-gpu" else real(name)

    monkeypatch.setattr(metadata, "version", version)
    assert findings()["onnxruntime-gpu"] == Finding("onnxruntime-gpu", "1.99")


def test_a_package_that_fails_to_import_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def fail_on_import(name: str) -> object:
        if name == "onnx":
            raise OSError("libprotobuf.so: cannot open shared object file")
        return real(name)

    monkeypatch.setattr(importlib, "import_module", fail_on_import)
    finding = findings(imports=True)["onnx"]
    assert finding.verdict is Verdict.BROKEN
    assert "libprotobuf.so" in finding.message
    assert findings()["onnx"].verdict is Verdict.OK


def test_missing_files_of_a_package_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "onnx" else real(name))
    finding = findings()["onnx"]
    assert (finding.verdict, finding.message) == (
        Verdict.BROKEN,
        f"{metadata.version('onnx')} has lost its files",
    )


def test_a_cpu_quota_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnncli.doctor.cpu_quota", lambda: 0.5)
    monkeypatch.setattr("cnncli.engines.cores.cpu_quota", lambda: 0.5)
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert findings()["cores"].message == "1 usable of 8, by a CPU quota of 0.5, one decoding thread each"


def test_a_cache_that_cannot_be_written_is_reported(own_home: Path) -> None:
    own_home.write_text("a file where the folder should be")
    finding = findings()["CNNCLI_HOME"]
    assert finding.verdict is Verdict.BROKEN
    assert finding.advice == "set CNNCLI_HOME to a writable folder"


def test_the_default_model_is_examined(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.onnx").touch()
    for name, message, verdict in (
        ("net.onnx", "net.onnx, an exported network, not used yet", Verdict.OK),
        (str(model_folder), f"{model_folder}, prepared, digests match", Verdict.OK),
        ("resnet50", "resnet50, not prepared yet", Verdict.OK),
        ("./nowhere", "./nowhere is not a model folder: no such folder", Verdict.WARNING),
        ("resnt50", "no network is called 'resnt50'", Verdict.WARNING),
    ):
        monkeypatch.setenv("CNNCLI_MODEL", name)
        finding = findings()["CNNCLI_MODEL"]
        assert (finding.message, finding.verdict) == (message, verdict)


def test_a_damaged_default_model_is_reported(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(model_folder, tmp_path / "copy")
    content = bytearray((copy / "model.onnx").read_bytes())
    content[1000] ^= 1
    (copy / "model.onnx").write_bytes(content)
    monkeypatch.setenv("CNNCLI_MODEL", str(copy))
    assert findings()["CNNCLI_MODEL"].verdict is Verdict.BROKEN


def test_servers_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with run_hub(Hub({})) as hub:  # has nothing, but answers
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.address)
        monkeypatch.setattr("cnncli.networks.downloads.TORCHVISION", "http://127.0.0.1:9")
        by_subject = findings(is_offline=False)
    assert by_subject[hub.address].verdict is Verdict.OK
    assert by_subject[hub.address].message.startswith("timm's weights: reachable, ")
    assert by_subject["http://127.0.0.1:9"].verdict is Verdict.WARNING
    assert "unreachable" in by_subject["http://127.0.0.1:9"].message
    for nonsense in ("nonsense", "http://["):
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", nonsense)
        assert findings(is_offline=False)[nonsense].verdict is Verdict.WARNING
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert findings(is_offline=False)["downloads"].message == "disabled by HF_HUB_OFFLINE"


def test_the_command_prints_findings_and_sets_its_exit_code(cnncli: Cnncli, model_folder: Path) -> None:
    healthy = cnncli("doctor", "--offline")
    assert healthy.exit_code == 0
    assert [line for line in healthy.stdout.splitlines() if line and not line.startswith(" ")] == [
        "packages",
        "machine",
        "caches",
        "prepared models",
        "servers",
    ]
    (model_folder / "model.onnx").write_bytes(b"")
    damaged = cnncli("doctor", "--offline", "-f", "json")
    assert damaged.exit_code == 1
    (broken,) = [item for item in json.loads(damaged.stdout) if item["verdict"] == "broken"]
    assert broken["subject"] == model_folder.name
    assert "  BROKEN  " in cnncli("doctor", "--offline").stdout
