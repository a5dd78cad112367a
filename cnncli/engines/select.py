"""Which engine runs a network: one row per engine.

A new engine is a file in this folder, a row here and a member of `EngineName`. Nothing heavy is imported: the help of the
command line is derived from these rows.
"""

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cnncli.errors import MissingPackageError, UsageError
from cnncli.networks.dependencies import explain_missing_packages
from cnncli.records.engines import EngineName, EngineOptions, Precision
from cnncli.records.progress import Progress
from cnncli.text import install_command

if TYPE_CHECKING:
    from cnncli.engines.engine import Engine, EngineRequest
    from cnncli.networks.model_folder import ModelFolder


class EngineModule(Protocol):
    """The functions of an engine's module."""

    def open_engine(self, request: "EngineRequest") -> "Engine":
        """Open a network."""

    def describe(self) -> str:
        """Tell `cnncli doctor` what the engine can do here."""


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """What options, doctor and sessions need to know of an engine.

    Attributes:
        name: value of `--engine`.
        title: name for people.
        summary: text for `--help`, after the name.
        package: package to import.
        extra: extra of cnncli that installs the package; None if it is always installed, or left to the user.
        devices: kinds of device that it runs on.
        precisions: precisions that it computes in.
        is_automatic: whether `--engine auto` may choose it.
        needs_graph: whether it runs model.onnx; the others run model.safetensors.
        gives_layers: whether it can give the output of any layer.
        load: imports its module.
    """

    name: EngineName
    title: str
    summary: str
    package: str
    extra: str | None
    devices: frozenset[str]
    precisions: frozenset[Precision]
    is_automatic: bool
    needs_graph: bool
    gives_layers: bool
    load: Callable[[], EngineModule]

    @property
    def is_installed(self) -> bool:
        """Whether its package is installed."""
        return importlib.util.find_spec(self.package) is not None

    def describe(self) -> str:
        """What the engine can do here, for `cnncli doctor`."""
        return self.load().describe()


def _load_onnx() -> EngineModule:
    from cnncli.engines import onnx

    return onnx


def _load_openvino() -> EngineModule:
    from cnncli.engines import openvino

    return openvino


def _load_torch() -> EngineModule:
    from cnncli.engines import torch

    return torch


ENGINES = (
    EngineSpec(
        name=EngineName.ONNX,
        title="ONNX Runtime",
        summary="CPU, fp32",
        package="onnxruntime",
        extra=None,
        devices=frozenset({"cpu"}),
        precisions=frozenset({Precision.FP32}),
        is_automatic=True,
        needs_graph=True,
        gives_layers=False,
        load=_load_onnx,
    ),
    EngineSpec(
        name=EngineName.OPENVINO,
        title="OpenVINO",
        summary="CPU, any precision, optional package",
        package="openvino",
        extra="openvino",
        devices=frozenset({"cpu"}),
        precisions=frozenset(Precision),
        is_automatic=False,
        needs_graph=True,
        gives_layers=False,
        load=_load_openvino,
    ),
    EngineSpec(
        name=EngineName.TORCH,
        title="torch",
        summary="any device and precision",
        package="torch",
        extra=None,
        devices=frozenset({"cpu", "cuda", "mps"}),
        precisions=frozenset(Precision),
        is_automatic=True,
        needs_graph=False,
        gives_layers=True,
        load=_load_torch,
    ),
)
"""In the order in which `--engine auto` tries them."""


def open_engine(
    folder: "ModelFolder",
    options: EngineOptions,
    progress: Progress,
    *,
    layer: str | None = None,
    threads: int | None = None,
) -> "Engine":
    """Open a network with the requested engine, or else the first that can run it.

    Args:
        folder: the network.
        options: engine, device and precision.
        progress: reports if torch runs a network because it could not be compiled.
        layer: name of the layer whose output becomes the embedding; None takes the network's own embedding.
        threads: threads of one run on the CPU; None for all usable cores.

    Raises:
        UsageError: options that contradict each other, or a device that does not exist.
        MissingPackageError: the engine's package is not installed.
    """
    device = _choose_device(folder, options)
    spec = choose_engine(folder, device, options, needs_layers=layer is not None)
    if spec.extra and not spec.is_installed:
        raise MissingPackageError(
            f"this engine needs the package {spec.package}", install_command(f"cnncli[{spec.extra}]")
        )
    if (reason := folder.card.compilation.reason) and not spec.needs_graph:
        progress.notice(f"{folder.card.name} runs on {spec.title}: {reason}")
    purpose = "any layer but the last" if layer else f"running {folder.card.name} with {spec.title}"
    with explain_missing_packages(purpose):
        from cnncli.engines.engine import EngineRequest

        return spec.load().open_engine(EngineRequest(folder, device, options.precision, layer, threads))


def choose_engine(
    folder: "ModelFolder", device: str, options: EngineOptions, *, needs_layers: bool = False
) -> EngineSpec:
    """The requested engine, or else the first that can run the network.

    Raises:
        UsageError: none can.
    """
    candidates = _find_candidates(options.engine, needs_layers=needs_layers)
    obstacles = [
        _find_obstacle(spec, folder, device, options.precision, needs_layers=needs_layers)
        for spec in candidates
    ]
    if None in obstacles:
        return candidates[obstacles.index(None)]
    if folder.needs_onnx and not candidates[-1].needs_graph:
        raise UsageError(
            f"{folder.needs_onnx} runs on ONNX Runtime only, on the CPU and in fp32",
            "leave out --engine, --device and --precision",
        )
    raise UsageError(f"--engine {options.engine} is not possible: {obstacles[-1]}", "leave it out")


def _find_candidates(name: EngineName, *, needs_layers: bool) -> list[EngineSpec]:
    """The engines that `--engine` allows, in the order to try them.

    Raises:
        UsageError: the engine cannot give the output of a layer, and that is needed.
    """
    specs = [spec for spec in ENGINES if spec.gives_layers or not needs_layers]
    if name is EngineName.AUTO:
        return [spec for spec in specs if spec.is_automatic]
    if all(spec.name is not name for spec in specs):
        titles = " or ".join(spec.title for spec in specs)
        raise UsageError(f"--layer needs {titles}, and --engine is {name}", "leave one of them out")
    return [spec for spec in specs if spec.name is name]


def _find_obstacle(
    spec: EngineSpec, folder: "ModelFolder", device: str, precision: Precision, *, needs_layers: bool
) -> str | None:
    """Why an engine cannot run a network as requested; None if it can."""
    if device.partition(":")[0] not in spec.devices:
        return f"it runs on {', '.join(sorted(spec.devices))}, not on {device}"
    if precision not in spec.precisions:
        return f"it computes in {', '.join(sorted(spec.precisions))}, not in {precision}"
    if spec.needs_graph:
        return folder.card.compilation.reason
    return None if needs_layers else folder.needs_onnx  # opening a layer of such a folder is an error later


def _choose_device(folder: "ModelFolder", options: EngineOptions) -> str:
    """The requested device; `auto` is CUDA if there is one that engine and network can use, else the CPU."""
    if options.device != "auto":
        return options.device
    allows_cuda = any(
        "cuda" in spec.devices for spec in ENGINES if options.engine in {spec.name, EngineName.AUTO}
    )
    return "cuda" if allows_cuda and not folder.needs_onnx and _cuda_is_visible() else "cpu"


def _cuda_is_visible() -> bool:
    """Whether there is a CUDA device; torch, which takes seconds to import, is needed only if there is a driver."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}
    driver = Path("/dev/nvidiactl").exists() or Path("/proc/driver/nvidia/version").exists()
    if hidden or not (driver or os.name == "nt") or importlib.util.find_spec("torch") is None:
        return False
    from cnncli.engines.torch import cuda_is_available

    return cuda_is_available()
