"""A model reference becomes a model folder once; torch is imported only if needed."""

import contextlib
import re
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from cnncli import prepare as preparing
from cnncli.engines.select import open_engine
from cnncli.engines.torch import TorchEngine
from cnncli.errors import (
    CompileError,
    ModelFolderError,
    ModelNotFoundError,
    OutputError,
    UsageError,
    WeightsError,
)
from cnncli.images.sources import sources
from cnncli.networks import zoo
from cnncli.networks.model_folder import open_folder, verify
from cnncli.networks.predict_settings import PredictSettings
from cnncli.networks.reference import Reference
from cnncli.predict import Predictor
from cnncli.prepare import prepare
from cnncli.records.engines import EngineName, EngineOptions, InferenceOptions
from cnncli.records.networks import Architecture
from cnncli.records.predictions import Prediction
from cnncli.records.progress import NullProgress


class Listener(NullProgress):
    def __init__(self) -> None:
        self.notices: list[str] = []
        self.warnings: list[str] = []

    def activity(self, message: str) -> contextlib.AbstractContextManager[object]:
        self.notices.append(message)
        return contextlib.nullcontext()

    def notice(self, message: str) -> None:
        self.notices.append(message)

    def warning(self, message: str) -> None:
        self.warnings.append(message)


def weights_file(folder: Path, classes: int = 1000, channels: int = 3) -> Path:
    network = zoo.build(Architecture("timm", "test_resnet", classes, channels))
    save_file(network.state_dict(), folder / "w.safetensors")
    return folder / "w.safetensors"


def test_a_prepared_network_is_found_without_preparing_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener, reference = Listener(), Reference("test_resnet", weights_file(tmp_path))
    folder = prepare(reference, listener)
    verify(folder)
    assert folder.graph
    assert folder.card.compilation.largest_difference is not None
    assert folder.card.embedding.size == 96
    assert [notice.split()[0] for notice in listener.notices] == ["loading", "preparing", "prepared"]
    monkeypatch.setattr(preparing, "_make_folder", None)
    again = Listener()
    assert prepare(reference, again) == folder
    assert again.notices == []
    assert prepare(Reference(str(folder.path)), again).card == folder.card


def test_a_name_with_and_without_its_tag_gives_one_folder(tmp_path: Path) -> None:
    weights = weights_file(tmp_path)
    plain = prepare(Reference("test_resnet", weights), NullProgress())
    assert prepare(Reference("test_resnet.r160_in1k", weights), NullProgress()).path == plain.path
    assert prepare(Reference("test_resnet", weights, image_size=(96, 96)), NullProgress()).path != plain.path


def test_the_class_count_is_read_from_the_weights_and_names_from_labels(tmp_path: Path) -> None:
    weights, names = weights_file(tmp_path, classes=3), tmp_path / "names"
    listener = Listener()
    unnamed = prepare(Reference("test_resnet", weights), listener)
    assert unnamed.card.class_names == ("class 0", "class 1", "class 2")
    assert "the names of the 3 classes are unknown; set them with --labels FILE" in listener.notices
    names.write_text("cat\ndog\nfox\n")
    named = prepare(Reference("test_resnet", weights, names), NullProgress())
    assert named.card.class_names == ("cat", "dog", "fox")
    assert named.path != unnamed.path
    names.write_text("cat\ndog\n")
    with pytest.raises(WeightsError, match="names 2 classes, the network has 3"):
        prepare(Reference("test_resnet", weights, names), NullProgress())


def test_a_network_without_classes_is_refused_before_its_download(monkeypatch: pytest.MonkeyPatch) -> None:
    offer = zoo.offer("vit_small_patch14_dinov2")
    assert offer.architecture.num_classes == 0
    assert not offer.has_classes
    monkeypatch.setattr("cnncli.networks.zoo.hub.fetch", None)
    for name in ("vit_small_patch14_dinov2", "resnet50_clip.openai"):
        with pytest.raises(UsageError, match="has no classifier: it gives features, not classes"):
            prepare(Reference(name), NullProgress(), needs_classes=True)


def test_weights_for_grey_images_are_accepted(tmp_path: Path) -> None:
    folder = prepare(Reference("test_resnet", weights_file(tmp_path, classes=4, channels=1)), NullProgress())
    assert folder.card.architecture.channels == folder.card.preprocessing.channels == 1
    assert folder.card.preprocessing.mean == pytest.approx((0.5,))
    Image.effect_noise((50, 40), 80).convert("RGB").save(tmp_path / "a.png")
    for engine in (EngineName.ONNX, EngineName.TORCH):
        settings = PredictSettings(inference=InferenceOptions(EngineOptions(engine)))
        (record,) = Predictor(folder, settings, NullProgress()).predict(sources([str(tmp_path / "a.png")]))
        assert isinstance(record, Prediction)
        assert sum(score.probability for score in record.scores) == pytest.approx(1, abs=1e-5)


def test_weights_of_another_network_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNCLI_HOME", str(tmp_path / "home"))
    tensors = load_file(weights_file(tmp_path))
    tensors.pop("fc.bias")
    save_file(tensors, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match=r"does not fit the network: fc\.bias is missing"):
        prepare(Reference("test_resnet", tmp_path / "other.safetensors"), NullProgress())
    assert not list((tmp_path / "home").rglob("*.safetensors"))


@pytest.mark.slow
def test_published_weights_with_other_key_names_are_converted(tmp_path: Path) -> None:
    """torchvision's DenseNet weights have old key names; timm resamples a ViT's position embeddings."""
    architecture = Architecture("torchvision", "densenet121", 1000)
    densenet = zoo.build(architecture)
    old = {
        re.sub(r"(norm|conv)([12])\.", r"\1.\2.", name) if "denselayer" in name else name: value
        for name, value in densenet.state_dict().items()
    }
    assert old.keys() != densenet.state_dict().keys()
    assert zoo.adapt_weights(old, densenet, architecture).keys() == densenet.state_dict().keys()
    vit = zoo.build(Architecture("timm", "test_vit", 1000))
    save_file(vit.state_dict(), tmp_path / "vit.safetensors")
    folder = prepare(Reference("test_vit", tmp_path / "vit.safetensors", image_size=(96, 96)), NullProgress())
    assert folder.card.preprocessing.size == (96, 96)


def test_weights_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    tensors = load_file(weights_file(tmp_path))
    tensors["fc.bias"][3] = float("nan")
    save_file(tensors, tmp_path / "nan.safetensors")
    with pytest.raises(WeightsError, match=r"is damaged: fc\.bias holds infinite or NaN values"):
        prepare(Reference("test_resnet", tmp_path / "nan.safetensors"), NullProgress())


def test_labels_apply_to_random_weights(tmp_path: Path) -> None:
    (tmp_path / "names").write_text("\n".join(f"thing {i}" for i in range(1000)))
    named = prepare(Reference("test_resnet", labels=tmp_path / "names", pretrained=False), NullProgress())
    plain = prepare(Reference("test_resnet", pretrained=False), NullProgress())
    assert (named.card.class_names[7], plain.card.class_names[0]) == ("thing 7", "tench")


def test_random_weights_give_a_warning_each_time() -> None:
    for _ in range(2):
        listener = Listener()
        prepare(Reference("test_resnet", pretrained=False), listener)
        assert listener.warnings == ["test_resnet has random weights: its predictions are meaningless"]


def test_a_cache_that_cannot_be_written_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CNNCLI_HOME", str(tmp_path / "file"))
    with pytest.raises(OutputError, match="cannot write prepared networks to"):
        prepare(Reference("test_resnet", pretrained=False), NullProgress())


def test_unknown_names_and_impossible_sizes_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="no network is called 'test_resnat'"):
        prepare(Reference("test_resnat", pretrained=False), NullProgress())
    with pytest.raises(CompileError, match="does not run on images of 3 x 4 x 4"):
        prepare(Reference("alexnet", pretrained=False, image_size=(4, 4)), NullProgress())
    with pytest.raises(ModelFolderError, match="is not JSON"):
        (tmp_path / "card.json").write_text("")
        prepare(Reference(str(tmp_path)), NullProgress())


def test_a_network_that_cannot_be_compiled_runs_on_torch_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cnncli.engines import compile as compiler

    def fails(*_: object) -> None:
        raise CompileError("torch cannot export it: no operator")

    monkeypatch.setenv("CNNCLI_HOME", str(tmp_path / "home"))
    for exporter in ("_trace", "_export"):
        monkeypatch.setattr(compiler, exporter, fails)
    folder = prepare(Reference("test_resnet", pretrained=False), NullProgress())
    assert folder.graph is None
    assert folder.card.compilation.reason == "torch cannot export it: no operator"
    assert open_folder(folder.path) == folder
    listener = Listener()
    assert isinstance(open_engine(folder, EngineOptions(), listener), TorchEngine)
    (notice,) = listener.notices
    assert notice.endswith("runs on torch: torch cannot export it: no operator")
    with pytest.raises(UsageError, match="--engine onnx is not possible: torch cannot export it"):
        open_engine(folder, EngineOptions(EngineName.ONNX), listener)
