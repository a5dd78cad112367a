"""Checks the installation: packages, engines, caches, prepared models, servers.

Problems are not raised but become findings, with advice if there is something to do.
"""

import contextlib
import importlib
import importlib.util
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

import cnncli
from cnncli.engines.cores import cpu_quota, usable_cores
from cnncli.engines.select import ENGINES
from cnncli.errors import CnncliError, ModelFolderError, WeightsError
from cnncli.networks import cache, index, model_folder, pocket
from cnncli.networks.packaged import PACKAGED, PackagedWeights
from cnncli.networks.prepared import fall_back_to_built_in, find_prepared
from cnncli.networks.reference import Reference
from cnncli.records.defaults import DEFAULT
from cnncli.records.diagnosis import Examination, Finding, Verdict
from cnncli.records.engines import EngineName
from cnncli.records.progress import NullProgress
from cnncli.text import first_line, install_command, quote
from cnncli.web import require_reachable

_PREDICTING = {"typer", "rich", "pillow", "numpy", "onnxruntime", "platformdirs", "packaging", "filelock"}
"""Packages without which nothing works; the others are needed to prepare models."""

_IMPORTED_AS = {"pillow": "PIL", "scikit-learn": "sklearn", "onnxruntime-gpu": "onnxruntime"}
_SUBSTITUTES = {"onnxruntime": "onnxruntime-gpu"}
"""Packages that contain everything that another one does."""

_LOW_SPACE = 2e9
"""Free bytes below which the next model may not fit: VGG-16 takes 1.1 GB while it is prepared."""


def examine(*, is_offline: bool = False, imports: bool = False) -> Iterator[Examination]:
    """Run all checks, topic by topic.

    Args:
        is_offline: do not contact servers.
        imports: import the packages for training as well, which takes seconds, and ask torch for its devices.
    """
    yield Examination("packages", tuple(_packages(imports=imports)))
    yield Examination("machine", tuple(_machine(imports=imports)))
    yield Examination("caches", tuple(_caches()))
    yield Examination("prepared models", tuple(_prepared_models()))
    yield Examination("servers", tuple(_servers(is_offline=is_offline)))


# ---- packages


def _packages(*, imports: bool) -> Iterator[Finding]:
    yield Finding("cnncli", f"{cnncli.__version__} in {Path(cnncli.__file__).parent}")
    yield Finding("python", f"{platform.python_version()} in {sys.executable}")
    for text in metadata.requires("cnncli") or ():
        requirement = Requirement(text)
        if requirement.marker is None:  # the others belong to extras
            yield _check_package(requirement, imports=imports)
    for weights in PACKAGED:
        if weights.find():
            yield _check_weights(weights)


def _check_package(requirement: Requirement, *, imports: bool) -> Finding:
    name, version = _find_version(requirement.name)
    install = install_command(str(requirement))
    is_needed = requirement.name in _PREDICTING
    if version is None:
        message = "not installed" if is_needed else "not installed; prepared models predict without it"
        return Finding(name, message, Verdict.BROKEN if is_needed else Verdict.WARNING, install)
    if not requirement.specifier.contains(version, prereleases=True):
        return Finding(name, f"{version}, but {requirement.specifier} is needed", Verdict.WARNING, install)
    # The code of a package that only carries weights is not imported.
    if weights := next((weights for weights in PACKAGED if weights.package == name), None):
        if weights.find():
            return Finding(name, version)
        return Finding(name, f"{version}, without its weights", Verdict.BROKEN, weights.hint)
    module = _IMPORTED_AS.get(name, name.replace("-", "_"))
    if problem := _problem(module, imports=imports or is_needed):
        again = install_command(str(requirement), again=True)
        return Finding(name, f"{version} {problem}", Verdict.BROKEN, again)
    return Finding(name, version)


def _find_version(name: str) -> tuple[str, str | None]:
    """Name and version of an installed package or its substitute; no version if neither is installed."""
    for package in (name, _SUBSTITUTES.get(name, name)):
        with contextlib.suppress(metadata.PackageNotFoundError):
            return package, metadata.version(package)
    return name, None


def _problem(module: str, *, imports: bool) -> str | None:
    """Why an installed package cannot be imported, as far as can be told with or without importing it; None if it can."""
    if not _is_installed(module):
        return "has lost its files"
    try:
        if imports:
            importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - a broken library may raise anything
        return f"cannot be imported: {_reason(error)}"
    return None


def _check_weights(weights: PackagedWeights) -> Finding:
    """Compare the weights of an installed package with their digest."""
    file = weights.find()
    try:
        if file:
            weights.verify(file)
    except (WeightsError, OSError) as error:
        return Finding(
            weights.model,
            _reason(error),
            Verdict.BROKEN,
            install_command(weights.package, again=True),
        )
    return Finding(weights.model, "weights in this package, SHA-256 matches")


# ---- machine


def _machine(*, imports: bool) -> Iterator[Finding]:
    yield Finding("system", f"{platform.system()} {platform.release()}, {platform.machine()}")
    quota = cpu_quota()
    limit = f", by a CPU quota of {quota:g}" if quota and quota < (os.cpu_count() or 1) else ""
    yield Finding(
        "cores", f"{usable_cores()} usable of {os.cpu_count() or 1}{limit}, one decoding thread each"
    )
    for spec in ENGINES:
        if spec.name is EngineName.TORCH and spec.is_installed and not imports:
            yield Finding(
                spec.title, "installed", advice="cnncli doctor --imports also tries it, and looks for GPUs"
            )
        elif spec.is_installed:
            yield _attempt(spec.title, spec.describe)


# ---- caches


def _caches() -> Iterator[Finding]:
    home = cache.home()
    try:
        cache.require_writable()
    except CnncliError as error:
        yield Finding("CNNCLI_HOME", error.message, Verdict.BROKEN, error.hint)
    else:
        yield _check_folder("CNNCLI_HOME", home)
        if (free := shutil.disk_usage(home).free) < _LOW_SPACE:
            message = f"{free / 1e9:.1f} GB free at {home}"
            yield Finding("disk", message, Verdict.WARNING, "`cnncli models rm NAME` frees space")
    if _is_installed("torch") and _is_installed("huggingface_hub"):
        from cnncli.networks import downloads

        yield _check_folder("HF_HUB_CACHE", downloads.hub_cache())
        yield _check_folder("TORCH_HOME", downloads.torch_cache())
    for folder in sorted((*home.glob("features-*"), *home.glob("datasets"))):
        yield _check_folder(folder.name, folder, "; safe to delete")
    if model := os.environ.get("CNNCLI_MODEL"):
        yield _check_model("CNNCLI_MODEL", model)
    elif fall_back_to_built_in(Reference(DEFAULT), NullProgress()).name == pocket.NAME:
        message = f"{pocket.NAME}, because {DEFAULT} cannot be prepared without torch"
        yield Finding("default model", message)
    else:
        yield _check_model("default model", DEFAULT)


def _check_folder(name: str, folder: Path, remark: str = "") -> Finding:
    if not folder.exists():
        return Finding(name, f"{folder}, does not exist yet")
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        advice = f"set {name.removesuffix('_CACHE')} to a writable folder"
        return Finding(name, f"{folder} is not writable: nothing can be downloaded", Verdict.WARNING, advice)
    return _attempt(name, lambda: f"{folder}, {cache.size(folder) / 1e6:,.1f} MB{remark}")


def _check_model(title: str, name: str) -> Finding:
    try:
        path = find_prepared(Reference(name))
    except CnncliError as error:
        return Finding(title, error.message, Verdict.WARNING, "set it to a name or a model folder")
    if path is None and Reference(name).is_exported:
        return Finding(title, f"{name}, an exported network, not used yet")
    is_saved = Reference(name).saved_folder is not None
    if path is None and not is_saved and (hint := index.hint_if_unknown(name)):
        return Finding(title, f"no network is called {name!r}", Verdict.WARNING, hint)
    if path is None:
        return Finding(title, f"{name}, not prepared yet", advice=f"cnncli pull {quote(name)}")
    try:
        model_folder.verify(model_folder.read_folder(path))
    except (ModelFolderError, OSError) as error:
        return Finding(title, _reason(error), Verdict.BROKEN, "copy or prepare the folder again")
    return Finding(title, f"{name}, prepared, digests match")


# ---- prepared models


def _prepared_models() -> Iterator[Finding]:
    """Compare every file with its digest."""
    folders = list(cache.folders())
    for path in folders:
        again = f"`cnncli models rm {quote(path.name)}`, then prepare it again"
        try:
            folder = model_folder.read_folder(path)
            model_folder.verify(folder)
        except ModelFolderError as error:
            yield Finding(path.name, error.message, Verdict.BROKEN, again)
        except OSError as error:
            yield Finding(path.name, f"cannot be read: {error.strerror}", Verdict.BROKEN, again)
        else:
            reason = folder.card.compilation.reason
            size = f"{cache.size(path) / 1e6:,.1f} MB, digests match"
            yield Finding(folder.card.name, f"runs on torch only: {reason}" if reason else size)
    if not folders:
        yield Finding("none", "models are prepared on first use", advice="cnncli pull resnet50")


# ---- servers


def _servers(*, is_offline: bool) -> Iterator[Finding]:
    if not (_is_installed("torch") and _is_installed("huggingface_hub")):
        yield Finding("downloads", "impossible without torch and huggingface_hub", Verdict.WARNING)
        return
    from cnncli.networks import downloads

    if is_offline or downloads.is_forbidden():
        yield Finding(
            "downloads", "disabled" + (" by HF_HUB_OFFLINE" if downloads.is_forbidden() else " by --offline")
        )
        return
    servers = {downloads.endpoint(): "timm's weights", downloads.TORCHVISION: "torchvision's weights"}
    with ThreadPoolExecutor(len(servers), thread_name_prefix="server") as pool:
        yield from pool.map(_check_server, servers, servers.values())


def _check_server(server: str, serves: str) -> Finding:
    start = time.perf_counter()
    try:
        require_reachable(server)
    except OSError as error:
        advice = "prepared models work without it; set HTTPS_PROXY for a proxy, HF_ENDPOINT for a mirror"
        return Finding(server, f"{serves}: unreachable ({_reason(error)})", Verdict.WARNING, advice)
    return Finding(server, f"{serves}: reachable, {time.perf_counter() - start:.1f} s")


def _attempt(subject: str, describe: Callable[[], str]) -> Finding:
    """A finding that is OK unless `describe` raises."""
    try:
        return Finding(subject, describe())
    except Exception as error:  # noqa: BLE001 - any failure is a finding
        return Finding(subject, _reason(error), Verdict.BROKEN)


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _reason(error: BaseException) -> str:
    """The first line of an error; for a URLError that of its cause."""
    if isinstance(reason := getattr(error, "reason", None), BaseException):
        error = reason
    return first_line(error)
