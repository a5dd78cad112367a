"""`cnncli datasets`: the list, digits without a network, MNIST and CIFAR from a stand-in server."""

import gzip
import hashlib
import io
import json
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from torchvision import datasets

from cnncli.data.catalogue import DATA_SETS
from cnncli.data.layout import read
from cnncli.data.torchvision_sets import load_plain_pickle
from cnncli.errors import DataError
from cnncli.records.data import DataSet, Split
from cnncli.records.list_columns import ListColumns
from tests.conftest import Cnncli
from tests.hub_server import Hub, run_hub


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNCLI_HOME", str(tmp_path / "home"))


def test_the_list(cnncli: Cnncli) -> None:
    assert cnncli("datasets").stdout.splitlines()[1].split()[0] == "digits"
    document = json.loads(cnncli("datasets", "-f", "json").stdout)
    assert {item["name"] for item in document} == set(DATA_SETS) >= {"mnist", "cifar10", "cifar100", "flowers102", "oxford-pets", "food101", "fashion-mnist"}  # fmt: skip


def test_every_set_names_its_source() -> None:
    for item in DATA_SETS.values():
        for archive in item.archives():
            assert len(archive.md5) == 32
            assert archive.urls[0].startswith("http")


@pytest.mark.slow
def test_digits(cnncli: Cnncli, tmp_path: Path) -> None:
    result = cnncli("datasets", "get", "digits", tmp_path / "digits")
    assert result.exit_code == 0
    files = sorted((tmp_path / "digits").rglob("*.png"))
    assert len(files) == 1797
    assert sorted(path.name for path in (tmp_path / "digits").iterdir()) == list("0123456789")
    with Image.open(files[0]) as image:
        assert (image.size, image.mode) == ((32, 32), "L")
        assert image.getbbox() is not None
    again = cnncli("datasets", "get", "digits", tmp_path / "digits")
    assert (again.exit_code, "already exists" in again.stderr) == (1, True)


@pytest.mark.slow
def test_shifted_digits_are_not_cut_off(cnncli: Cnncli, tmp_path: Path) -> None:
    for shift in (0, 4):
        cnncli("datasets", "get", "digits", tmp_path / str(shift), "--shift", shift)
    moved = 0
    for still in sorted((tmp_path / "0").rglob("*.png"))[:50]:
        with (
            Image.open(still) as one,
            Image.open(tmp_path / "4" / still.relative_to(tmp_path / "0")) as other,
        ):
            first, second = np.asarray(one), np.asarray(other)
        assert first.sum() == second.sum()
        moved += not np.array_equal(first, second)
    assert moved > 40
    refused = cnncli("datasets", "get", "digits", tmp_path / "far", "--shift", 5)
    assert (refused.exit_code, "--shift must be from 0 to 4" in refused.stderr) == (2, True)


@pytest.fixture
def mnist(monkeypatch: pytest.MonkeyPatch) -> Hub:
    """Twelve images for training and five for testing, in MNIST's own format."""
    hub = Hub({})
    resources = []
    for name, count in (("train", 12), ("t10k", 5)):
        images = np.arange(count * 28 * 28, dtype=np.uint32).astype(np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        for kind, content in (
            ("images-idx3", struct.pack(">IIII", 2051, count, 28, 28) + images.tobytes()),
            ("labels-idx1", struct.pack(">II", 2049, count) + labels.tobytes()),
        ):
            file = f"{name}-{kind}-ubyte.gz"
            hub.files[file] = gzip.compress(content)
            resources.append((file, md5(hub.files[file])))
    monkeypatch.setattr(datasets.MNIST, "resources", resources)
    return hub


def test_mnist_from_a_server(
    cnncli: Cnncli, mnist: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with run_hub(mnist):
        monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/", f"{mnist.address}/"])
        result = cnncli("datasets", "get", "mnist", tmp_path / "mnist")
    assert result.exit_code == 0, result.stderr
    assert "wrote 17 images of 10 classes" in result.stderr
    train, test = (sorted((tmp_path / "mnist" / split).rglob("*.png")) for split in ("train", "test"))
    assert (len(train), len(test)) == (12, 5)
    with Image.open(train[0]) as image:
        assert (image.size, image.mode) == ((28, 28), "L")
    again = cnncli("datasets", "get", "mnist", tmp_path / "again", "--offline")  # from the archives
    assert again.exit_code == 0, again.stderr


def test_an_interrupted_download_resumes(
    cnncli: Cnncli, mnist: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with run_hub(mnist):
        monkeypatch.setattr(datasets.MNIST, "mirrors", [f"{mnist.address}/"])
        mnist.behaviour = "truncated"
        result = cnncli("datasets", "get", "mnist", tmp_path / "mnist")
        assert result.exit_code == 1
        assert "was interrupted" in result.stderr
        assert "hint: the same command resumes it" in result.stderr
        assert not (tmp_path / "mnist").exists()
        mnist.behaviour = "well"
        assert cnncli("datasets", "get", "mnist", tmp_path / "mnist").exit_code == 0


def test_a_file_with_another_checksum_is_refused(
    cnncli: Cnncli, mnist: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with run_hub(mnist):
        monkeypatch.setattr(datasets.MNIST, "mirrors", [f"{mnist.address}/"])
        mnist.behaviour = "corrupted"
        result = cnncli("datasets", "get", "mnist", tmp_path / "mnist")
    assert result.exit_code == 1
    assert "has the wrong MD5" in result.stderr
    assert not (tmp_path / "mnist").exists()


@pytest.mark.parametrize(
    ("name", "kind", "labels", "titles"),
    [
        ("cifar10", datasets.CIFAR10, "labels", "label_names"),
        ("cifar100", datasets.CIFAR100, "fine_labels", "fine_label_names"),
    ],
)
def test_cifar_from_a_server(
    cnncli: Cnncli,
    name: str,
    kind: type,
    labels: str,
    titles: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten images a batch, pickled as the originals are."""
    batch = pickle.dumps({"data": np.zeros((10, 3072), np.uint8), labels: list(range(10))})
    meta = pickle.dumps({titles: [f"kind {number}" for number in range(10)]})
    folder = getattr(kind, "base_folder")  # noqa: B009 - torchvision is not typed
    archive = packed({f"{folder}/train_1": batch, f"{folder}/test_1": batch, f"{folder}/names": meta})
    monkeypatch.setattr(kind, "train_list", [("train_1", md5(batch))])
    monkeypatch.setattr(kind, "test_list", [("test_1", md5(batch))])
    monkeypatch.setattr(kind, "meta", {"filename": "names", "key": titles, "md5": md5(meta)})
    monkeypatch.setattr(kind, "tgz_md5", md5(archive))
    with run_hub(Hub({"cifar.tar.gz": archive})) as hub:
        monkeypatch.setattr(kind, "url", f"{hub.address}/cifar.tar.gz")
        result = cnncli("datasets", "get", name, tmp_path / "cifar")
    assert result.exit_code == 0, result.stderr
    assert len(list((tmp_path / "cifar" / "train").rglob("*.png"))) == 10
    assert min(path.name for path in (tmp_path / "cifar" / "test").iterdir()) == "kind 0"


def packed(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return content.getvalue()


def jpeg() -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(content, "JPEG")
    return content.getvalue()


def matlab(**arrays: object) -> bytes:
    content = io.BytesIO()
    savemat(content, arrays)
    return content.getvalue()


def written(cnncli: Cnncli, name: str, target: Path) -> list[str]:
    result = cnncli("datasets", "get", name, target)
    assert result.exit_code == 0, result.stderr
    return sorted(str(file.relative_to(target)) for file in target.rglob("*.jpg"))


def test_flowers_from_a_server(cnncli: Cnncli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two flowers a split; their labels count from 1."""
    files = {
        "102flowers.tgz": packed({f"jpg/image_{number:05}.jpg": jpeg() for number in range(1, 7)}),
        "imagelabels.mat": matlab(labels=[[77, 77, 1, 1, 2, 2]]),
        "setid.mat": matlab(trnid=[[1, 2]], valid=[[3, 4]], tstid=[[5, 6]]),
    }
    kinds = {"image": "102flowers.tgz", "label": "imagelabels.mat", "setid": "setid.mat"}
    announced = {kind: (name, md5(files[name])) for kind, name in kinds.items()}
    monkeypatch.setattr(datasets.Flowers102, "_file_dict", announced)
    with run_hub(Hub(files)) as hub:
        monkeypatch.setattr(datasets.Flowers102, "_download_url_prefix", f"{hub.address}/")
        actual = written(cnncli, "flowers102", tmp_path / "flowers")
    assert [Path(name).parts[0] for name in actual] == ["test", "test", "train", "train", "val", "val"]
    assert [Path(name).parts[1][:3] for name in actual] == ["002", "002", "077", "077", "001", "001"]


def test_pets_from_a_server(cnncli: Cnncli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lists = {
        "trainval.txt": b"Abyssinian_1 1 1 1\npug_2 2 2 1\n",
        "test.txt": b"Abyssinian_3 1 1 1\npug_4 2 2 1\n",
    }
    files = {
        "images.tar.gz": packed(
            {f"images/{name}.jpg": jpeg() for name in ("Abyssinian_1", "pug_2", "Abyssinian_3", "pug_4")}
        ),
        "annotations.tar.gz": packed({f"annotations/{name}": content for name, content in lists.items()}),
    }
    with run_hub(Hub(files)) as hub:
        resources = tuple((f"{hub.address}/{name}", md5(content)) for name, content in files.items())
        monkeypatch.setattr(datasets.OxfordIIITPet, "_RESOURCES", resources)
        actual = written(cnncli, "oxford-pets", tmp_path / "pets")
    assert actual == ["test/Abyssinian/Abyssinian_3.jpg", "test/Pug/pug_4.jpg", "train/Abyssinian/Abyssinian_1.jpg", "train/Pug/pug_2.jpg"]  # fmt: skip


def test_food_from_a_server(cnncli: Cnncli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meta = {
        split: json.dumps({"apple_pie": [f"apple_pie/{n}"], "sushi": [f"sushi/{n}"]}).encode()
        for n, split in enumerate(("train", "test"))
    }
    images = {f"food-101/images/{kind}/{n}.jpg": jpeg() for kind in ("apple_pie", "sushi") for n in (0, 1)}
    archive = packed(images | {f"food-101/meta/{split}.json": content for split, content in meta.items()})
    monkeypatch.setattr(datasets.Food101, "_MD5", md5(archive))
    with run_hub(Hub({"food.tar.gz": archive})) as hub:
        monkeypatch.setattr(datasets.Food101, "_URL", f"{hub.address}/food.tar.gz")
        actual = written(cnncli, "food101", tmp_path / "food")
    assert actual == [
        "test/apple_pie/1.jpg",
        "test/sushi/1.jpg",
        "train/apple_pie/0.jpg",
        "train/sushi/0.jpg",
    ]


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "sprung",)

    (tmp_path / "batch").write_bytes(pickle.dumps({"data": Trap()}))
    with pytest.raises(DataError, match="is refused: unpickling it would call"):
        load_plain_pickle(tmp_path / "batch")
    assert not (tmp_path / "sprung").exists()


def test_invalid_arguments_are_errors(cnncli: Cnncli, tmp_path: Path) -> None:
    for arguments, complaint, code in [
        (["get", "imagenet", tmp_path / "x"], "unknown data set 'imagenet'", 1),
        (["get", "mnist", tmp_path / "x", "--offline"], "nothing is downloaded offline", 1),
        (["get", "mnist", tmp_path / "x", "--shift", "2"], "--shift is for digits, not for mnist", 2),
    ]:
        result = cnncli("datasets", *arguments)
        assert (result.exit_code, complaint in result.stderr) == (code, True), result.stderr


def get_list(cnncli: Cnncli, name: str, folder: Path, hint: str) -> DataSet:
    """Write a data set and read it with the options that the last line of its output names."""
    result = cnncli("datasets", "get", name, folder)
    assert result.exit_code == 0, result.stderr
    assert result.stderr.endswith(f"cnncli finetune {folder / 'list.csv'} {hint}\n")
    words = hint.split()
    options: dict[str, tuple[str, ...]] = dict.fromkeys(("--label-column", "--multi-label"), ())
    for option, column in zip(words[::2], words[1::2], strict=True):
        options[option] += (column,)
    return read(
        folder / "list.csv",
        ListColumns(labels=options["--label-column"], multi_label=options["--multi-label"]),
    )


@pytest.mark.slow
def test_two_digits(cnncli: Cnncli, tmp_path: Path) -> None:
    data = get_list(cnncli, "two-digits", tmp_path / "two", "--multi-label labels")
    assert data.class_names == tuple("0123456789")
    assert [len(data.split(split)) for split in (Split.TRAIN, Split.VAL)] == [6000, 1000]
    assert {len(sample.answers[0] or ()) for sample in data.samples} == {1, 2}
    with Image.open(data.samples[0].path) as image:
        assert (image.size, image.mode) == ((32, 32), "L")
        quarters = np.asarray(image).reshape(2, 16, 2, 16).max(axis=(1, 3))
    assert (quarters > 0).sum() == 2


@pytest.mark.slow
def test_digit_tasks(cnncli: Cnncli, tmp_path: Path) -> None:
    data = get_list(cnncli, "digit-tasks", tmp_path / "d", "--label-column digit --label-column above_four")
    assert [task.class_names for task in data.tasks] == [tuple("0123456789"), ("no", "yes")]
    assert {sample.answers for sample in data.samples} == {
        ((digit,), (int(digit > 4),)) for digit in range(10)
    }
    assert [len(data.split(split)) for split in (Split.TRAIN, Split.VAL)] == [1438, 359]
