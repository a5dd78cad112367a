"""What the benchmarks stand on: networks with the same weights for everybody, photographs, the machine."""

import argparse
import dataclasses
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

WORK = Path(tempfile.gettempdir()) / "cnncli-benchmarks"
"""Where networks and copies of photographs are kept from one run to the next."""


def arguments(description: str | None) -> Path:
    """The folder of photographs that the command line names."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "photographs", type=Path, help="a folder of JPEG photographs, of about 500 x 375 pixels"
    )
    chosen: Path = parser.parse_args().photographs
    if not _jpegs(chosen):
        raise SystemExit(f"{chosen} holds no JPEG photographs")
    return chosen


def _jpegs(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*") if file.suffix.lower() in {".jpg", ".jpeg"})


def photographs(source: Path, count: int) -> Path:
    """A folder of so many files: the photographs, over and over."""
    return _folder(f"{count}-photographs", source, lambda folder: _copy(source, folder, count))


def _copy(source: Path, folder: Path, count: int) -> None:
    files = _jpegs(source)
    for number in range(count):
        shutil.copy(files[number % len(files)], folder / f"{number:05}.jpg")


def large_photographs(source: Path, count: int, megapixels: float) -> Path:
    """The same, enlarged to so many megapixels, with the noise of a small sensor."""
    from benchmarks.reduced_decode import NOISE, enlarged

    def make(folder: Path) -> None:
        files = _jpegs(source)
        for number in range(count):
            data = enlarged(files[number % len(files)], megapixels, NOISE).data
            (folder / f"{number:05}.jpg").write_bytes(data)

    return _folder(f"{count}-photographs-{megapixels:g}-megapixels", source, make)


def _folder(name: str, source: Path, make: Callable[[Path], None]) -> Path:
    """A folder that is made once for each source."""
    target = WORK / f"{source.resolve().name}-{name}"
    if not target.is_dir():
        draft = Path(tempfile.mkdtemp(dir=_work()))
        make(draft)
        draft.rename(target)
    return target


def _work() -> Path:
    WORK.mkdir(parents=True, exist_ok=True)
    return WORK


@dataclass(frozen=True)
class Network:
    """One network in every form that somebody asks for.

    Attributes:
        name: timm's or torchvision's.
        weights: safetensors, named as the library names its layers.
        folder: cnncli's model folder.
        pipeline: transformers' folder; only for timm's networks.
    """

    name: str
    weights: Path
    folder: Path
    pipeline: Path


def network(name: str, source: Path) -> Network:
    """A network of timm or (`torchvision/…`) torchvision.

    Its weights are drawn at random, and the statistics of its batch normalisation are those of the photographs, so
    that its answers differ from image to image: speed does not depend on the values of weights, and the same
    weights go to everybody.
    """
    plain = name.removeprefix("torchvision/")
    weights = WORK / f"{name.replace('/', '-')}.safetensors"
    if not weights.is_file():
        _draw(name, source, weights)
    os.environ["CNNCLI_HOME"] = str(_work() / "home")
    from cnncli.networks.reference import Reference
    from cnncli.prepare import prepare
    from cnncli.records.progress import NullProgress

    folder = prepare(Reference(name, weights), NullProgress()).path
    pipeline = WORK / f"pipeline-{plain}"
    if name == plain and not pipeline.is_dir():
        _write_pipeline(name, weights, pipeline)
    return Network(plain, weights, folder, pipeline)


def _draw(name: str, source: Path, file: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from cnncli.images.decode import MAX_PIXELS
    from cnncli.images.loader import Reader
    from cnncli.images.local_file import LocalFile
    from cnncli.networks import zoo
    from cnncli.records.predictions import Unreadable

    offered = zoo.offer(name)
    built = zoo.build(offered.architecture)
    read = Reader(offered.preprocessing, MAX_PIXELS)
    planes = [read(LocalFile(str(path))) for path in _jpegs(source)[:64]]
    images = torch.stack([torch.from_numpy(plane) for plane in planes if not isinstance(plane, Unreadable)])
    for module in built.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # a plain mean over all that is seen
            module.reset_running_stats()
            module.train()
    with torch.no_grad():
        built(images)
    _work()
    save_file({key: value.contiguous() for key, value in built.state_dict().items()}, file)


def _write_pipeline(name: str, weights: Path, folder: Path) -> None:
    """The folder that `transformers.pipeline` loads: its own wrapper around timm's network."""
    import timm
    from safetensors.torch import load_file, save_file
    from timm.models import PretrainedCfg

    config = dataclasses.asdict(timm.get_pretrained_cfg(name) or PretrainedCfg())
    kept = ("input_size", "interpolation", "crop_pct", "crop_mode", "mean", "std", "first_conv", "classifier")
    draft = Path(tempfile.mkdtemp(dir=WORK))
    description = {
        "architectures": ["TimmWrapperForImageClassification"],
        "model_type": "timm_wrapper",
        "architecture": name,
        "num_classes": 1000,
        "label_names": [str(index) for index in range(1000)],
        "pretrained_cfg": {key: config[key] for key in kept},
    }
    (draft / "config.json").write_text(json.dumps(description))
    tensors = {f"timm_model.{key}": value for key, value in load_file(weights).items()}
    save_file(tensors, draft / "model.safetensors", metadata={"format": "pt"})
    draft.rename(folder)


def machine() -> str:
    """What the figures were seen on, in one sentence."""
    packages = ("torch", "torchvision", "timm", "transformers", "onnxruntime", "openvino", "pillow", "numpy")
    versions = ", ".join(f"{name} {version}" for name, version in _versions(packages))
    return (
        f"{len(os.sched_getaffinity(0))} cores of {_processor()}, no GPU; "
        f"Python {platform.python_version()}, {versions}."
    )


def _versions(packages: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for name in packages:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    told = {key.strip(): value.strip() for key, value in facts.items()}
    return f"{told.get('model name', platform.machine())} (family {told.get('cpu family')}, model {told.get('model')})"
