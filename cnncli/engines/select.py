"""Which engine runs a network: one row per engine.

A new engine is a file in this folder, a row here and a member of `EngineName`. Nothing heavy is imported: the help of the
command line is derived from these rows.
"""

import contextlib
import importlib.util
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import MissingPackageError, UsageError
from cnncli.networks.dependencies import explain_missing_packages
from cnncli.records.engines import EngineName, EngineOptions, InferenceOptions, Precision
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


@frozen_dataclass
class EngineSpec:
    """What options, doctor and sessions need to know of an engine.

    Attributes:
        name: value of `--engine`.
        title: name for people.
        summary: text for `--help`, after the name.
        package: package to import.
        extra: extra of cnncli that installs the package; None if it is always installed, or left to the user.
        devices: kinds of device that it runs on.
        has_cuda: whether the installed package can use CUDA, if it is among the devices.
        precisions: precisions that it computes in.
        fast_in_bf16: kinds of device on which its bf16 is faster than the fp32 of any engine (measured on CPUs).
        has_bf16: whether a device computes in bf16 natively, according to the engine's package.
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
    has_cuda: Callable[[], bool]
    precisions: frozenset[Precision]
    fast_in_bf16: frozenset[str]
    has_bf16: Callable[[str], bool]
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


def _onnx_has_cuda() -> bool:
    from cnncli.engines.onnx import has_cuda

    return has_cuda()


def _openvino_has_bf16(_device: str) -> bool:
    from cnncli.engines.openvino import computes_in

    return computes_in(Precision.BF16)


def _torch_has_bf16(device: str) -> bool:
    from cnncli.engines.torch import has_bf16

    return has_bf16(device)


_ANY_PRECISION = frozenset(Precision) - {Precision.AUTO}

ENGINES = (
    EngineSpec(
        name=EngineName.ONNX,
        title="ONNX Runtime",
        summary="CPU, or CUDA with the package onnxruntime-gpu; fp32",
        package="onnxruntime",
        extra=None,
        devices=frozenset({"cpu", "cuda"}),
        has_cuda=_onnx_has_cuda,
        precisions=frozenset({Precision.FP32}),
        fast_in_bf16=frozenset(),
        has_bf16=lambda _device: False,
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
        has_cuda=lambda: False,
        precisions=_ANY_PRECISION,
        fast_in_bf16=frozenset({"cpu"}),
        has_bf16=_openvino_has_bf16,
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
        has_cuda=lambda: True,  # or else it says so itself, when it opens a network
        precisions=_ANY_PRECISION,
        fast_in_bf16=frozenset({"cuda"}),
        has_bf16=_torch_has_bf16,
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
    options = resolve(folder, options, needs_layers=layer is not None)
    spec = choose_engine(folder, options, needs_layers=layer is not None)
    if spec.extra and not spec.is_installed:
        raise MissingPackageError(
            f"this engine needs the package {spec.package}", install_command(f"cnncli[{spec.extra}]")
        )
    if (reason := folder.card.compilation.reason) and not spec.needs_graph:
        progress.notice(f"{folder.card.name} runs on {spec.title}: {reason}")
    purpose = "any layer but the last" if layer else f"running {folder.card.name} with {spec.title}"
    with explain_missing_packages(purpose):
        from cnncli.engines.engine import EngineRequest

        return spec.load().open_engine(
            EngineRequest(folder, options.device, options.precision, layer, threads)
        )


def open_in_background(
    folder: "ModelFolder", options: InferenceOptions
) -> contextlib.AbstractContextManager[None]:
    """Within the block, the network is opened if ONNX Runtime is to run it on the CPU.

    `open_engine` takes it over; problems are left to it.

    Args:
        folder: the network.
        options: as the session will have them.
    """
    if options.engine.precision is Precision.AUTO:  # asking OpenVINO what is native takes longer
        return contextlib.nullcontext()
    with contextlib.suppress(UsageError):
        resolved = resolve(folder, options.engine)
        if resolved.device == "cpu" and choose_engine(folder, resolved).name is EngineName.ONNX:
            from cnncli.engines import onnx

            return onnx.open_in_background(folder.require_graph(), options.threads)
    return contextlib.nullcontext()


def resolve(folder: "ModelFolder", options: EngineOptions, *, needs_layers: bool = False) -> EngineOptions:
    """The options with a device and a precision in place of `auto`; bf16 may need another engine than fp32 does.

    Args:
        folder: the network.
        options: as requested.
        needs_layers: whether the output of a layer is needed.
    """
    if options.device == "auto":
        options = _choose_device(folder, options)
    if options.precision is not Precision.AUTO:
        return options
    for spec in ENGINES:
        bf16 = replace(options, engine=spec.name, precision=Precision.BF16)
        is_wanted = options.engine is spec.name or (
            options.engine is EngineName.AUTO and _kind(options.device) in spec.fast_in_bf16
        )
        if is_wanted and spec.is_installed and _is_native(spec, folder, bf16, needs_layers=needs_layers):
            return bf16
    return replace(options, precision=Precision.FP32)


def _is_native(spec: EngineSpec, folder: "ModelFolder", bf16: EngineOptions, *, needs_layers: bool) -> bool:
    """Whether an engine runs a network in bf16, and the device has such arithmetic."""
    if needs_layers and not spec.gives_layers:
        return False
    return not _find_obstacle(spec, folder, bf16, needs_layers=needs_layers) and spec.has_bf16(bf16.device)


def choose_engine(folder: "ModelFolder", options: EngineOptions, *, needs_layers: bool = False) -> EngineSpec:
    """The requested engine, or else the first that can run the network.

    Args:
        folder: the network.
        options: with a device and a precision, from `resolve`.
        needs_layers: whether the output of a layer is needed.

    Raises:
        UsageError: none can.
    """
    candidates = _find_candidates(options.engine, needs_layers=needs_layers)
    obstacles = [_find_obstacle(spec, folder, options, needs_layers=needs_layers) for spec in candidates]
    if None in obstacles:
        return candidates[obstacles.index(None)]
    if folder.needs_onnx and not candidates[-1].needs_graph:
        raise UsageError(
            f"{folder.needs_onnx} runs on ONNX Runtime only, in fp32, and on a GPU only with onnxruntime-gpu",
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
    spec: EngineSpec, folder: "ModelFolder", options: EngineOptions, *, needs_layers: bool
) -> str | None:
    """Why an engine cannot run a network as requested; None if it can."""
    if _kind(options.device) not in spec.devices:
        return f"it runs on {', '.join(sorted(spec.devices))}, not on {options.device}"
    if _kind(options.device) == "cuda" and not spec.has_cuda():
        return f"the installed package {spec.package} was not built for CUDA, as {spec.package}-gpu is"
    if options.precision not in spec.precisions:
        return f"it computes in {', '.join(sorted(spec.precisions))}, not in {options.precision}"
    if spec.needs_graph:
        return folder.card.compilation.reason
    return None if needs_layers else folder.needs_onnx  # opening a layer of such a folder is an error later


def _kind(device: str) -> str:
    """`cuda` for `cuda:1`."""
    return device.partition(":")[0]


def _choose_device(folder: "ModelFolder", options: EngineOptions) -> EngineOptions:
    """The options with CUDA if torch finds it and may run the network, else with the CPU.

    ONNX Runtime is no help here: it cannot be asked for GPUs, only told to use one.
    """
    allows_torch = options.engine in {EngineName.AUTO, EngineName.TORCH} and not folder.needs_onnx
    if allows_torch and _cuda_is_visible():
        return replace(options, engine=EngineName.TORCH, device="cuda")
    return replace(options, device="cpu")


def _cuda_is_visible() -> bool:
    """Whether torch finds a CUDA device; torch, which takes seconds to import, is needed only if there is a driver."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}
    driver = Path("/dev/nvidiactl").exists() or Path("/proc/driver/nvidia/version").exists()
    if hidden or not (driver or os.name == "nt") or importlib.util.find_spec("torch") is None:
        return False
    from cnncli.engines.torch import cuda_is_available

    return cuda_is_available()
