"""The runtime of a file by its ending, and options that a runtime does not have."""

import importlib.util
from pathlib import Path

import pytest

from cnncli.errors import UsageError
from cnncli.export.settings import ExportSettings
from cnncli.export.targets import TARGETS
from cnncli.records.exporting import Input, Quantize, Target
from tests.conftest import Cnncli


@pytest.mark.parametrize("target", Target)
def test_the_ending_names_the_target(target: Target) -> None:
    spec = TARGETS[target]
    settings = ExportSettings(Path(f"net{spec.ending.upper()}"))
    assert (settings.target, settings.input) == (target, spec.inputs[0])
    assert ExportSettings(Path(f"net{spec.ending}"), target) == ExportSettings(
        Path(f"net{spec.ending}"), requested_target=target
    )
    assert importlib.util.find_spec(spec.module)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"output": "net.bin"}, "net.bin does not end in .onnx"),
        ({"output": "net.onnx", "requested_target": Target.OPENVINO}, "net.onnx does not end in .xml"),
        ({"output": "net.pte", "half": True}, "--half does not apply to ExecuTorch"),
        ({"output": "net.tflite", "requested_input": Input.UINT8}, "--input uint8 does not apply to LiteRT"),
        ({"output": "net.xml", "quantize": Quantize.INT8}, "--quantize does not apply to OpenVINO"),
    ],
)
def test_what_a_target_does_not_have(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ExportSettings(**(settings | {"output": Path(str(settings["output"]))}))  # type: ignore[arg-type]


@pytest.mark.parametrize("target", [target for target in Target if TARGETS[target].package])
def test_a_missing_package_is_named_with_its_extra(
    cnncli: Cnncli, colours: Path, tmp_path: Path, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = TARGETS[target]
    present = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *rest: None if name == spec.package else present(name, *rest)
    )
    result = cnncli("export", colours, "-o", tmp_path / f"net{spec.ending}")
    assert result.exit_code == 1
    assert f"error: exporting for {spec.title} needs the package {spec.package}" in result.stderr
    assert f"'cnncli[{spec.extra}]'" in result.stderr
    assert not list(tmp_path.iterdir())
