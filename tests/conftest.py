"""What tests share: where things are, and small real networks."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The real weights and photographs beside the checkout."""
    folder = ROOT.parent / "shared"
    if not (folder / "models").is_dir():
        pytest.skip("needs the real weights and photographs in ../shared")
    return folder


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache of prepared networks for the whole run."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the user's settings or fills the user's cache."""
    for name in [name for name in os.environ if name.startswith("CNNCLI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CNNCLI_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture(scope="session")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder that tells red, green and blue apart, with provable probabilities."""
    from tests.networks_for_tests import write_colours

    return write_colours(tmp_path_factory.mktemp("models") / "colours")


@pytest.fixture(scope="session")
def squeezenet(shared: Path, home: Path) -> Iterator[Path]:
    """SqueezeNet 1.0 with its real ImageNet weights, prepared."""
    from cnncli.networks.reference import Reference
    from cnncli.prepare import prepare
    from cnncli.records.progress import Silence

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CNNCLI_HOME", str(home))
        weights = shared / "models" / "squeezenet1_0_imagenet.safetensors"
        yield prepare(Reference("squeezenet1_0", weights), Silence()).path


@pytest.fixture(scope="session")
def tiny(home: Path) -> Iterator[Path]:
    """timm's own test network with random weights, prepared: a real network of 300 kB."""
    from cnncli.networks.reference import Reference
    from cnncli.prepare import prepare
    from cnncli.records.progress import Silence

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CNNCLI_HOME", str(home))
        yield prepare(Reference("test_resnet", pretrained=False), Silence()).path


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder of one's own, without the powers of root, for whom no file is forbidden."""
    folder = Path(tempfile.mkdtemp())
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    if is_root:
        nobody = 65534
        os.chown(folder, nobody, nobody)
        os.seteuid(nobody)
    try:
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        shutil.rmtree(folder)
