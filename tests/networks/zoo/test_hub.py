"""Downloads from a stand-in hub: well and badly behaved, and gone."""

import dataclasses
import hashlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save

from cnncli.errors import CnncliError, ModelFolderError, ModelNotFoundError, UsageError, WeightsError
from cnncli.inspection.network.summary import SummarySettings, resolve_spec, trace_spec
from cnncli.networks import zoo
from cnncli.networks.downloads import HubFile, WebFile, torch_cache
from cnncli.networks.listing import listing
from cnncli.networks.model_folder import verify
from cnncli.networks.reference import Reference
from cnncli.networks.zoo import hub_repository
from cnncli.networks.zoo.hub import fetch
from cnncli.networks.zoo.timm import HUB_FILES
from cnncli.prepare import prepare
from cnncli.records.listing import SortOrder
from cnncli.records.networks import Architecture, Embedding
from cnncli.records.progress import NullProgress
from cnncli.web import require_reachable
from tests.conftest import Cnncli, Imports, Program, arrays_of
from tests.hub_server import Hub, run_hub

pytestmark = pytest.mark.slow  # servers that dawdle take their time

REPOSITORY = "timm/test_resnet.r160_in1k"
FILE = f"{REPOSITORY}/resolve/main/model.safetensors"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    weights = save(zoo.build(Architecture("timm", "test_resnet", 1000)).state_dict())
    with run_hub(Hub({FILE: weights})) as served:
        for name in ("HF_HUB_OFFLINE", "HF_HUB_CACHE", "HF_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HF_ENDPOINT", served.address)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("CNNCLI_HOME", str(tmp_path / "home"))
        yield served


@pytest.fixture
def image(tmp_path: Path) -> Path:
    Image.effect_noise((200, 180), 80).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_weights_are_downloaded_once(hub: Hub, program: Program, image: Path) -> None:
    first = program("predict", image, "-m", "test_resnet")
    assert first.returncode == 0, first.stderr
    assert {request.partition(" ")[2] for request in hub.requests} == {"/", f"/{FILE}"}  # no telemetry
    asked = len(hub.requests)
    again = program("predict", image, "-m", "test_resnet", HF_ENDPOINT="http://127.0.0.1:9")
    assert (again.stdout, again.stderr) == (first.stdout, b"")
    other = program(
        "predict", image, "-m", "test_resnet", "--img-size", "96", HF_ENDPOINT="http://127.0.0.1:9"
    )
    assert other.returncode == 0  # from the hub's own cache, though it has to be prepared anew
    assert len(hub.requests) == asked


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", ["slow", "redirecting"])
def test_redirects_and_slow_answers(hub: Hub, program: Program, behaviour: str) -> None:
    hub.behaviour = behaviour
    result = program("pull", "test_resnet")
    assert result.returncode == 0, result.stderr
    name, folder = result.stdout.decode().strip().split("\t")
    assert name == "test_resnet"
    assert (Path(folder) / "model.onnx").exists()


@pytest.mark.slow
def test_a_corrupted_download_is_never_used(hub: Hub, program: Program) -> None:
    hub.behaviour = "corrupted"
    result = program("pull", "test_resnet")
    assert result.returncode == 1
    assert b"error: the download of model.safetensors is damaged" in result.stderr
    assert b"Traceback" not in result.stderr
    hub.behaviour = "well"
    assert program("pull", "test_resnet").returncode == 0


@pytest.mark.slow
def test_a_truncated_download_says_so_and_is_never_used(hub: Hub, program: Program) -> None:
    hub.behaviour = "truncated"
    result = program("pull", "test_resnet")
    assert result.returncode == 1
    assert b"error: " in result.stderr
    assert b"Traceback" not in result.stderr
    hub.behaviour = "well"
    assert program("pull", "test_resnet").returncode == 0


def test_files_that_the_hub_lacks(hub: Hub, program: Program) -> None:
    hub.files.clear()
    result = program("pull", "test_resnet")
    assert result.returncode == 1
    assert b"has no model.safetensors and no pytorch_model.bin" in result.stderr


@pytest.fixture
def asked(hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hub:
    """The same for this process, whose huggingface_hub has read its environment already."""
    ask(hub.address, monkeypatch)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return hub


def ask(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)


WEIGHTS = HubFile(REPOSITORY, ("model.safetensors",))


@pytest.mark.parametrize(("state", "requests"), [("silent", 1), ("dawdling", 1), ("gone", 0)])
def test_an_unreachable_hub_is_tried_once(
    asked: Hub, state: str, requests: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left alone, huggingface_hub asks six times, with pauses: 23 s where nobody listens, 54 s where nobody speaks."""
    asked.behaviour = state
    if state == "gone":
        ask("http://127.0.0.1:9", monkeypatch)
    with pytest.raises(WeightsError, match=r"cannot be reached to download") as caught:
        fetch(WEIGHTS, NullProgress(), is_offline=False)
    assert len(asked.requests) == requests
    assert "--weights FILE" in (caught.value.hint or "")


def test_a_silent_file_server_is_given_up_soon(asked: Hub) -> None:
    """Left alone, huggingface_hub asks it six times: 70 s."""
    asked.behaviour = "silent_download"
    with pytest.raises(WeightsError, match="cannot be reached to download"):
        fetch(WEIGHTS, NullProgress(), is_offline=False)
    assert [request.partition(" ")[0] for request in asked.requests] == ["HEAD", "GET"]


def test_the_token_is_sent_to_no_other_server(asked: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights lie on servers that the hub sends one to."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with run_hub(Hub(asked.files), "127.0.0.2") as other:
        asked.behaviour, asked.elsewhere = "redirecting", other.address
        fetch(WEIGHTS, NullProgress(), is_offline=False)
        assert "Bearer hf_secret" in asked.tokens
        assert set(other.tokens) == {""}


def test_files_come_from_the_server_that_was_asked_first(asked: Hub) -> None:
    """Not from that of hf-xet, which is tried for two minutes where it is blocked."""
    asked.headers = {
        "X-Xet-Hash": "ab" * 32,
        "X-Xet-Refresh-Route": f"{asked.address}/xet-read-token",
        "Link": f'<{asked.address}/xet-read-token>; rel="xet-auth"',
    }
    fetch(WEIGHTS, NullProgress(), is_offline=False)
    assert not [request for request in asked.requests if "xet" in request]


@pytest.mark.parametrize("kind", ["md5", "sha1", "no digest"])
def test_a_mirror_may_have_its_own_etags(asked: Hub, kind: str) -> None:
    asked.tag = "v7" if kind == "no digest" else hashlib.new(kind, asked.files[FILE]).hexdigest()
    assert fetch(WEIGHTS, NullProgress(), is_offline=False).read_bytes() == asked.files[FILE]


def test_an_unwritable_cache_is_an_error_before_any_request(
    asked: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "file" / "hub"))
    with pytest.raises(WeightsError, match="cannot write downloads to") as caught:
        fetch(WEIGHTS, NullProgress(), is_offline=False)
    assert "HF_HOME" in (caught.value.hint or "")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file"))
    with pytest.raises(WeightsError, match="cannot write downloads to"):
        fetch(WebFile(f"{asked.address}/net.pth"), NullProgress(), is_offline=False)
    assert asked.requests == []


def test_the_whole_program_gives_up_on_a_silent_hub_within_seconds(hub: Hub, program: Program) -> None:
    hub.behaviour = "silent"
    start = time.monotonic()
    result = program("pull", "test_resnet")
    assert result.returncode == 1
    assert b"cannot be reached to download test_resnet" in result.stderr
    assert len(hub.requests) == 1
    assert (
        time.monotonic() - start < 40
    )  # 54 s where nobody holds huggingface_hub back; the load of this machine counts, too


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("options", "is_shown"), [([], True), (["-q"], False)])
def test_a_download_shows_progress_on_a_terminal(hub: Hub, options: list[str], *, is_shown: bool) -> None:
    """Half a million bytes, slowly."""
    import termios  # not everywhere

    hub.behaviour = "slow"
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    command = [sys.executable, "-m", "cnncli", "pull", "test_resnet", *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        while True:
            try:
                new = os.read(ours, 65536)
            except OSError:  # the program has gone
                break
            if not new:
                break
            seen += new
    os.close(ours)
    assert process.returncode == 0, seen
    assert (b"model.safetensors" in seen and b"%|" in seen) == is_shown


def test_offline_sends_no_requests(hub: Hub, program: Program) -> None:
    for result in (
        program("pull", "test_resnet", "--offline"),
        program("pull", "test_resnet", HF_HUB_OFFLINE="1"),
    ):
        assert result.returncode == 1
        assert b"nothing is downloaded offline" in result.stderr
    assert hub.requests == []


@pytest.mark.parametrize("name", ["resnet50", "resnet50.a1_in1k", "torchvision/vgg16", "hf-hub:some/one"])
def test_offline_imports_neither_torch_nor_timm(hub: Hub, imports: Imports, name: str) -> None:
    result, packages = imports("pull", name, "--offline", TORCH_HOME=os.environ["HF_HOME"])
    assert result.returncode == 1
    assert b"nothing is downloaded offline" in result.stderr
    assert b"--prepared" in result.stderr
    assert not packages & {"torch", "timm"}
    assert hub.requests == []


@pytest.mark.slow
def test_one_failure_does_not_stop_the_others(hub: Hub, program: Program) -> None:
    result = program("pull", "no_such_network", "test_resnet")
    assert result.returncode == 1
    assert result.stdout.startswith(b"test_resnet\t")
    assert b"no network is called 'no_such_network'" in result.stderr
    assert hub.requests


# ---- somebody's own repository


@pytest.fixture
def garden(hub: Hub) -> Hub:
    """A repository as timm's `push_to_hf_hub` writes it: three classes, another image size."""
    network = timm.create_model("test_vit", num_classes=3, img_size=96, drop_rate=0.1)
    hub.files["someone/garden/resolve/main/model.safetensors"] = save(network.state_dict())
    hub.files["someone/garden/resolve/main/config.json"] = json.dumps(
        {
            "architecture": "test_vit",
            "num_classes": 3,
            "num_features": 64,
            "model_args": {"num_classes": 3, "img_size": 96, "drop_rate": 0.1},
            "label_names": ["rose", "tulip", "weed"],
            "label_descriptions": {"weed": "nothing planted"},
            "pretrained_cfg": {
                "tag": "mine",
                "input_size": [3, 96, 96],
                "fixed_input_size": True,
                "interpolation": "bilinear",
                "crop_pct": 1.0,
                "mean": [0.5, 0.5, 0.5],
                "std": [0.25, 0.25, 0.25],
                "num_classes": 3,
            },
        }
    ).encode()
    return hub


def described(hub: Hub, **changes: object) -> None:
    """Change what the repository says of itself; None takes an entry away."""
    path = "someone/garden/resolve/main/config.json"
    document = json.loads(hub.files[path]) | changes
    fields = {name: value for name, value in document.items() if value is not None}
    hub.files[path] = json.dumps(fields).encode()


@pytest.fixture
def repository(garden: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The same for this process, whose huggingface_hub has read its environment already."""
    template = garden.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", garden.address)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return garden


def test_a_summary_of_a_hub_network_downloads_no_weights(repository: Hub) -> None:
    settings = SummarySettings()
    spec = resolve_spec(Reference("hf-hub:someone/garden"), settings)
    assert trace_spec(spec, settings).layers[-1].outputs == ((1, 3),)
    assert spec.size == (96, 96)
    assert not [request for request in repository.requests if "safetensors" in request]


def test_a_repository_of_another_organisation(repository: Hub) -> None:
    folder = prepare(Reference("hf-hub:someone/garden"), NullProgress())
    assert folder.path.name == "hf-hub--someone--garden"
    assert folder.card.architecture == Architecture("timm", "test_vit", 3, 3, (96, 96))
    assert folder.card.class_names == ("rose", "tulip", "nothing planted")
    steps = folder.card.preprocessing
    assert (steps.size, steps.interpolation, steps.mean) == ((96, 96), "bilinear", (0.5, 0.5, 0.5))
    repository.files.clear()
    assert prepare(Reference("hf-hub:someone/garden"), NullProgress()) == folder
    again = prepare(Reference("hf-hub:someone/garden", image_size=(64, 64)), NullProgress(), is_offline=True)
    assert again.card.architecture.image_size == (64, 64)


@pytest.fixture
def backbone(repository: Hub) -> str:
    """A repository whose network has no classifier: its 64 outputs are features."""
    network = timm.create_model("test_vit", num_classes=0, img_size=96)
    repository.files["someone/garden/resolve/main/model.safetensors"] = save(network.state_dict())
    described(
        repository, num_classes=0, label_names=None, label_descriptions=None, model_args={"img_size": 96}
    )
    return "hf-hub:someone/garden"


@pytest.fixture
def shades(tmp_path: Path) -> Path:
    """Two classes of ten images that differ in their colour."""
    for name, colour in {"warm": (200, 110, 80), "cold": (80, 110, 200)}.items():
        folder = tmp_path / "shades" / name
        folder.mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (64, 48), tuple(value + number for value in colour)).save(
                folder / f"{number}.png"
            )
    return tmp_path / "shades"


def test_a_backbone_gives_features_and_no_classes(
    backbone: str, cnncli: Cnncli, image: Path, tmp_path: Path
) -> None:
    folder = prepare(Reference(backbone), NullProgress())
    verify(folder)
    assert folder.card.is_feature_extractor
    assert folder.card.embedding == Embedding(64, "", gives_logits=False)
    refused = "has no classifier: it gives features, not classes"
    for command in (("predict", image), ("evaluate", tmp_path), ("cam", image)):
        result = cnncli(*command, "-m", backbone)
        assert result.exit_code == 2, result.stderr
        assert refused in result.stderr
    assert refused in cnncli("export", backbone, "-o", tmp_path / "net.onnx").stderr
    actual = []
    for engine in ("onnx", "torch"):
        file = tmp_path / f"{engine}.npz"
        result = cnncli("features", image, "-m", backbone, "--engine", engine, "-o", file)
        assert result.exit_code == 0, result.stderr
        actual.append(arrays_of(file)["embeddings"])
    assert actual[0].shape == (1, 64)
    assert actual[0] == pytest.approx(actual[1], abs=1e-4)
    similar = cnncli("similar", image, "--in", tmp_path, "-m", backbone)
    assert similar.exit_code == 0, similar.stderr
    (listed,) = listing("garden", SortOrder.NAME, NullProgress(), only_prepared=True)
    assert not listed.entry.num_classes


def test_a_backbones_weights_with_and_without_a_classifier(repository: Hub, tmp_path: Path) -> None:
    """Both are weights for an architecture whose published weights have no classifier."""
    for classes in (0, 5):
        network = timm.create_model("test_vit", num_classes=classes)
        (tmp_path / f"{classes}.safetensors").write_bytes(save(network.state_dict()))
    described(repository, num_classes=0, label_names=None, label_descriptions=None, model_args={})
    own = prepare(
        Reference("hf-hub:someone/garden", tmp_path / "0.safetensors", image_size=(160, 160)), NullProgress()
    )
    assert own.card.is_feature_extractor
    trained = prepare(
        Reference("hf-hub:someone/garden", tmp_path / "5.safetensors", image_size=(160, 160)), NullProgress()
    )
    assert len(trained.card.class_names) == 5


@pytest.mark.parametrize("tune", ["features", "head", pytest.param("full", marks=pytest.mark.full)])
def test_a_backbone_can_be_fine_tuned(
    backbone: str, cnncli: Cnncli, shades: Path, tmp_path: Path, tune: str
) -> None:
    run = tmp_path / "run"
    epochs = () if tune == "features" else ("--epochs", "2")
    result = cnncli("finetune", shades, "-m", backbone, "--tune", tune, *epochs, "-o", run, "-q")
    assert result.exit_code == 0, result.stderr
    answers = [
        json.loads(cnncli("predict", shades / "warm", "-m", run, "-f", "json", "--engine", engine).stdout)
        for engine in ("onnx", "torch")
    ]
    first, second = ([item["predictions"][0]["probability"] for item in records] for records in answers)
    assert first == pytest.approx(second, abs=1e-3)
    assert {item["label"] for item in answers[0][0]["predictions"]} == {"warm", "cold"}


def test_an_image_tower_has_no_classes_though_it_has_outputs(repository: Hub, tmp_path: Path) -> None:
    """As timm's own of that architecture, whose outputs are dimensions of an embedding."""
    name = "vit_xsmall_patch16_clip_224"
    network = timm.create_model(name, num_classes=512)
    repository.files[f"timm/{name}.tinyclip_yfcc15m/resolve/main/model.safetensors"] = save(
        network.state_dict()
    )
    with pytest.raises(UsageError, match="has no classifier"):
        prepare(Reference(name), NullProgress(), needs_classes=True)
    assert not repository.requests  # that much the index knows
    folder = prepare(Reference(name), NullProgress())
    assert folder.card.is_feature_extractor
    assert folder.card.architecture.num_classes == 512
    assert folder.card.embedding == Embedding(512, "", gives_logits=False)
    file = tmp_path / "tower.safetensors"
    file.write_bytes(save(network.state_dict()))
    assert prepare(Reference(name, file), NullProgress()).card.is_feature_extractor
    (tmp_path / "names").write_text("cat\n" * 512)
    with pytest.raises(WeightsError, match="has no classes: it gives features"):
        prepare(Reference(name, file, tmp_path / "names"), NullProgress())


def test_older_repositories_have_a_flat_configuration(repository: Hub) -> None:
    inner = json.loads(repository.files["someone/garden/resolve/main/config.json"])["pretrained_cfg"]
    described(repository, pretrained_cfg=None, label_names={"1": "b", "0": "a", "2": "c"}, **inner)
    offered = hub_repository.offer("hf-hub:someone/garden", None, NullProgress(), is_offline=False)
    assert offered.class_names == ("a", "b", "c")
    assert offered.preprocessing.mean == (0.5, 0.5, 0.5)


def test_a_revision_of_a_repository(repository: Hub) -> None:
    for path in list(repository.files):
        repository.files[path.replace("/main/", "/v2/")] = repository.files.pop(path)
    offered = hub_repository.offer("hf-hub:someone/garden@v2", None, NullProgress(), is_offline=False)
    assert offered.published == HubFile("someone/garden", HUB_FILES, "v2")
    with pytest.raises(WeightsError, match=r"has no config\.json"):
        hub_repository.offer("hf-hub:someone/garden", None, NullProgress(), is_offline=False)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"architecture": None}, "names the architecture None"),
        ({"architecture": "ResNetForImageClassification"}, "holds no timm network"),
        ({"model_args": {"global_pool": "max"}}, "was built with global_pool='max'"),
        ({"model_args": {"img_size": "large"}}, "was built for 'large', which is not an image size"),
        ({"pretrained_cfg": {"input_size": 3}}, "is invalid"),
    ],
)
def test_repositories_of_other_libraries_are_refused(
    repository: Hub, changes: dict[str, object], complaint: str
) -> None:
    described(repository, **changes)
    with pytest.raises(ModelNotFoundError, match=complaint):
        hub_repository.offer("hf-hub:someone/garden", None, NullProgress(), is_offline=False)


@pytest.mark.parametrize(
    "changes",
    [
        {"model_args": [1]},
        {"pretrained_cfg": "x"},
        {"label_names": {"a": "b"}},
        {"label_names": [["a"], ["b"], ["c"]]},
        {"label_names": "abc"},
        {"label_descriptions": ["a"]},
        {"num_classes": "3", "model_args": None},
        {"num_classes": 10**9, "model_args": None},
        {"pretrained_cfg": {"crop_pct": "x"}},
        {"pretrained_cfg": {"crop_pct": 0}},
        {"pretrained_cfg": {"mean": "x"}},
        {"pretrained_cfg": {"interpolation": "nonsense"}},
        {"pretrained_cfg": {"interpolation": "random"}},
        {"pretrained_cfg": {"input_size": [3, 10**6, 10**6]}},
        {"pretrained_cfg": {"mean": [0.5, 0.5]}},
        {"pretrained_cfg": {"std": [0, 0, 0]}},
        {"label_names": ["a", "b"]},
    ],
    ids=str,
)
def test_unusual_configurations_are_refused_or_give_a_valid_folder(
    repository: Hub, tmp_path: Path, changes: dict[str, object]
) -> None:
    described(repository, **changes)
    try:
        folder = prepare(Reference("hf-hub:someone/garden"), NullProgress())
    except CnncliError as error:
        assert "hf-hub:someone/garden" in error.message  # noqa: PT017 - either it is refused, or it is sound
        assert not list((tmp_path / "home").glob("models-*/[!.]*"))
    else:
        verify(folder)
        assert folder.card.class_names[0] in {"rose", "class 0"}  # names that do not fit are left out


def test_two_names_with_the_same_folder_are_distinguished(repository: Hub) -> None:
    for path in list(repository.files):
        repository.files[path.replace("garden", "garden--x")] = repository.files[path]
    first = prepare(Reference("hf-hub:someone/garden"), NullProgress())
    card = (first.path / "card.json").read_text()
    (first.path / "card.json").write_text(card.replace("hf-hub:someone/garden", "hf-hub:else/where"))
    for entry in (first.path.parents[1]).glob("names-*/*.json"):
        entry.unlink()
    with pytest.raises(ModelFolderError, match="contains hf-hub:else/where instead of hf-hub:someone/garden"):
        prepare(Reference("hf-hub:someone/garden"), NullProgress())


@pytest.mark.parametrize("content", [b"[1]", b"{", b"\xff"])
def test_an_invalid_configuration_is_an_error(repository: Hub, content: bytes) -> None:
    repository.files["someone/garden/resolve/main/config.json"] = content
    with pytest.raises(ModelNotFoundError, match=r"the config\.json of hf-hub:someone/garden is not"):
        hub_repository.offer("hf-hub:someone/garden", None, NullProgress(), is_offline=False)


@pytest.mark.parametrize("name", ["hf-hub:", "hf-hub:garden", "hf-hub:a/b/c", "hf-hub:a/b@"])
def test_invalid_repository_names_are_errors(repository: Hub, name: str) -> None:
    with pytest.raises(ModelNotFoundError, match="is not a repository on the hub"):
        prepare(Reference(name), NullProgress())
    assert repository.requests == []


def test_small_files_are_checked_too(repository: Hub) -> None:
    repository.behaviour = "corrupted"
    with pytest.raises(WeightsError, match=r"download of config\.json is damaged"):
        hub_repository.offer("hf-hub:someone/garden", None, NullProgress(), is_offline=False)


# ---- addresses, as torchvision has them


@pytest.fixture
def published(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WebFile:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    content = os.urandom(1000)
    path = f"models/net-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    hub.files[path] = content
    return WebFile(f"{hub.address}/{path}")


def test_caches_are_those_of_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    for variables in ({}, {"XDG_CACHE_HOME": str(tmp_path)}, {"TORCH_HOME": "~/torch"}):
        for name in ("XDG_CACHE_HOME", "TORCH_HOME"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert torch_cache() == Path(torch.hub.get_dir(), "checkpoints")


def test_a_url_is_downloaded_once(hub: Hub, published: WebFile, tmp_path: Path) -> None:
    file = fetch(published, NullProgress(), is_offline=False)
    assert file.parent == tmp_path / "torch" / "hub" / "checkpoints"
    asked = len(hub.requests)
    assert fetch(published, NullProgress(), is_offline=True) == file
    assert len(hub.requests) == asked


def test_a_damaged_download_from_a_url_is_deleted(hub: Hub, published: WebFile) -> None:
    hub.behaviour = "corrupted"
    with pytest.raises(WeightsError, match="is damaged"):
        fetch(published, NullProgress(), is_offline=False)
    hub.behaviour = "well"
    assert fetch(published, NullProgress(), is_offline=False).read_bytes() in hub.files.values()


def test_a_url_that_does_not_answer(published: WebFile) -> None:
    with pytest.raises(WeightsError, match="nothing is downloaded offline"):
        fetch(published, NullProgress(), is_offline=True)
    with pytest.raises(WeightsError, match="cannot be reached"):
        fetch(WebFile("http://127.0.0.1:9/net-12345678.pth"), NullProgress(), is_offline=False)
    with pytest.raises(WeightsError, match="was interrupted: HTTP Error 404"):
        fetch(WebFile(published.url + "x"), NullProgress(), is_offline=False)


def test_a_truncated_file_without_a_digest_is_deleted(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    hub.files["net.pth.tar"] = os.urandom(100_000)
    address = WebFile(f"{hub.address}/net.pth.tar")
    hub.behaviour = "truncated"
    with pytest.raises(WeightsError, match="is incomplete: expected 100,000 bytes"):
        fetch(address, NullProgress(), is_offline=False)
    hub.behaviour = "well"
    assert fetch(address, NullProgress(), is_offline=False).stat().st_size == 100_000


@pytest.mark.parametrize("url", ["nonsense", "http://[", "ftp//x", "http://127.0.0.1:9/net-12345678.pth"])
def test_invalid_urls_are_errors(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    with pytest.raises(OSError, match=r"."):
        require_reachable(url)


def test_a_torchvision_network_is_downloaded_from_its_url(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    content = io.BytesIO()
    torch.save(zoo.build(Architecture("torchvision", "squeezenet1_1", 1000)).state_dict(), content)
    path = f"models/squeezenet1_1-{hashlib.sha256(content.getvalue()).hexdigest()[:8]}.pth"
    hub.files[path] = content.getvalue()
    address = WebFile(f"{hub.address}/{path}")
    offered = zoo.offer("squeezenet1_1")
    assert isinstance(offered.published, WebFile)
    assert offered.published.url.startswith("https://download.pytorch.org/models/squeezenet1_1-")
    monkeypatch.setattr(zoo, "offer", lambda *_: dataclasses.replace(offered, published=address))
    monkeypatch.setattr("cnncli.networks.index.weight_locations", lambda _: {address.url})
    folder = prepare(Reference("squeezenet1_1"), NullProgress())
    assert folder.card.name == "torchvision/squeezenet1_1.IMAGENET1K_V1"
    assert folder.card.weights_origin.endswith("as published for torchvision/squeezenet1_1.IMAGENET1K_V1")
