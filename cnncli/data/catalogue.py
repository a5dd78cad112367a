"""The sets that courses use: where they come from, and how they become a labelled folder.

scikit-learn ships `digits`. The others are downloaded from where torchvision says they are, compared with the MD5 that it
publishes, and read by its own classes (CIFAR's pickles by a reader that calls nothing).
"""

import contextlib
import gzip
import pickle
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cnncli.errors import DataError, OutputError, UsageError
from cnncli.files.whole import whole_folder
from cnncli.records.progress import Progress
from cnncli.web import BrokenOffError, download, md5

Bar = Callable[[int | None], contextlib.AbstractContextManager[Callable[[int], None]]]
"""Given how much there is to do, if it is known, a function to call with how much was done."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A file that a set comes in.

    Attributes:
        urls: where it is, the first that answers.
        md5: of its content, as torchvision publishes it.
        place: where torchvision looks for it, below the folder of all sets.
    """

    urls: tuple[str, ...]
    md5: str
    place: str


@dataclass(frozen=True, slots=True)
class Picture:
    """An image of a set.

    Attributes:
        label: its class.
        content: pixels, or the file that it is.
    """

    label: str
    content: Image.Image | Path


@dataclass(frozen=True, slots=True)
class CourseSet:
    """A set that courses use.

    Attributes:
        name: that asks for it.
        told: what it shows.
        classes: how many.
        images: how many, in all splits.
        size: of the images in pixels, in words.
        download: megabytes to fetch; 0 where it comes with a library.
        splits: their names on disk, and what torchvision calls them; one of no name for a set that has no splits.
        archives: the files that it comes in.
        pictures: of one split, read from the folder of all sets.
    """

    name: str
    told: str
    classes: int
    images: int
    size: str
    download: int
    splits: Mapping[str, str]
    archives: Callable[[], Sequence[Archive]] = field(repr=False)
    pictures: Callable[[Path, str], Iterator[Picture]] = field(repr=False)


def find(name: str) -> CourseSet:
    """The set of that name.

    Raises:
        DataError: there is none.
    """
    if name not in SETS:
        raise DataError(f"no set is called {name!r}", f"there are {', '.join(SETS)}")
    return SETS[name]


def fetch(wanted: CourseSet, store: Path, progress: Progress, bar: Bar, *, is_offline: bool) -> None:
    """See that all archives of a set are there, whole; what is missing is downloaded, and goes on where it broke off.

    Args:
        wanted: the set.
        store: the folder of all sets.
        progress: hears what is fetched.
        bar: moves while it is.
        is_offline: download nothing.

    Raises:
        DataError: one cannot be had.
    """
    for archive in wanted.archives():
        file = store / archive.place
        if file.exists():
            _require_announced(file, archive)
            continue
        if is_offline:
            raise DataError(f"{file} is not there, and offline nothing is downloaded")
        _fetch(archive, file, progress, bar)


def _require_announced(file: Path, archive: Archive) -> None:
    if md5(file) != archive.md5:
        raise DataError(
            f"{file} is not the file that was announced (its MD5 is another)", "delete it, and try again"
        )


def _fetch(archive: Archive, file: Path, progress: Progress, bar: Bar) -> None:
    reasons: list[str] = []
    for url in archive.urls:
        progress.notice(f"downloading {url}")
        try:
            with bar(None) as advance:
                download(url, file, archive.md5, advance)
        except BrokenOffError as error:
            raise DataError(
                f"the download of {url} broke off: {error}", "the same command goes on from there"
            ) from error
        except OSError as error:
            reasons.append(str(error))
        else:
            return
    raise DataError(
        f"{file.name} cannot be had: {'; '.join(reasons)}", f"a copy of it in {file.parent} will do, too"
    )


def write(wanted: CourseSet, store: Path, target: Path, shift: int, bar: Bar) -> int:
    """Write a set as a labelled folder; appears whole or not at all.

    Args:
        wanted: the set, whose archives are there.
        store: the folder of all sets.
        target: the folder to write.
        shift: pixels by which `digits` are moved at most.
        bar: moves with the images.

    Returns:
        Images written.

    Raises:
        DataError: the archives are not what they should be.
        OutputError: the folder cannot be written.
    """
    written = 0
    try:
        with whole_folder(target) as draft, bar(wanted.images) as advance:
            for folder, split in wanted.splits.items():
                pictures = wanted.pictures(store, split) if wanted.name != DIGITS else digits(shift)
                for number, picture in enumerate(pictures):
                    _save(picture, draft / folder / _file_name(picture.label), number)
                    advance(1)
                    written += 1
    except (EOFError, RuntimeError, KeyError, ValueError, gzip.BadGzipFile) as error:
        raise DataError(
            f"what was downloaded of {wanted.name} cannot be read: {error}", f"delete {store}, and try again"
        ) from error
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
    return written


def _file_name(label: str) -> str:
    return label.replace("/", "-").replace("\0", "")


def _save(picture: Picture, folder: Path, number: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(picture.content, Path):
        shutil.copyfile(picture.content, folder / picture.content.name)
        return
    picture.content.save(folder / f"{number:05}.png")


# ---- digits


DIGITS = "digits"
_PAPER, _INK_SCALE = 32, 3
"""Sides of the picture; times by which the 8 x 8 pixels are enlarged."""

MOST_SHIFT = (_PAPER - 8 * _INK_SCALE) // 2
"""Pixels that a digit can be moved without leaving the picture."""


def digits(shift: int = 0) -> Iterator[Picture]:
    """scikit-learn's 1,797 handwritten digits, 8 x 8 in 17 greys, enlarged to 24 x 24 on 32 x 32.

    Args:
        shift: each is moved by up to so many pixels, at most `MOST_SHIFT`, each way, by the same chance each time.

    Raises:
        UsageError: it would leave the picture.
    """
    if not 0 <= shift <= MOST_SHIFT:
        raise UsageError(f"--shift is from 0 to {MOST_SHIFT}, not {shift}", "more would cut the digits")
    from sklearn.datasets import load_digits

    found = load_digits()
    draws = np.random.default_rng(0)
    for pixels, label in zip(found.images, found.target, strict=True):
        small = Image.fromarray((pixels * (255 / 16)).round().astype(np.uint8))
        side = 8 * _INK_SCALE
        large = small.resize((side, side), Image.Resampling.BICUBIC)
        left, top = ((_PAPER - side) // 2 + draws.integers(-shift, shift, size=2, endpoint=True)).tolist()
        picture = Image.new("L", (_PAPER, _PAPER))
        picture.paste(large, (left, top))
        yield Picture(str(label), picture)


# ---- sets of torchvision


def _mnist(kind: str) -> tuple[Callable[[], Sequence[Archive]], Callable[[Path, str], Iterator[Picture]]]:
    """MNIST and those that come in its format."""

    def archives() -> Sequence[Archive]:
        known = _dataset(kind)
        return [
            Archive(tuple(f"{mirror}{name}" for mirror in known.mirrors), md5, f"{kind}/raw/{name}")
            for name, md5 in known.resources
        ]

    def pictures(store: Path, split: str) -> Iterator[Picture]:
        for archive in archives():
            packed = store / archive.place
            with gzip.open(packed) as content, packed.with_suffix("").open("wb") as plain:
                shutil.copyfileobj(content, plain)
        return _from_pairs(_dataset(kind)(store, train=split == "train"))

    return archives, pictures


def _cifar(kind: str) -> tuple[Callable[[], Sequence[Archive]], Callable[[Path, str], Iterator[Picture]]]:
    def archives() -> Sequence[Archive]:
        known = _dataset(kind)
        return [Archive((known.url,), known.tgz_md5, known.filename)]

    def pictures(store: Path, split: str) -> Iterator[Picture]:
        _unpack(store / archives()[0].place, store)
        known = _dataset(kind)
        folder = store / known.base_folder
        names = unpickled(folder / known.meta["filename"])[known.meta["key"]]
        for file, _ in known.train_list if split == "train" else known.test_list:
            batch = unpickled(folder / file)
            planes = np.asarray(batch["data"]).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
            for pixels, label in zip(planes, batch.get("labels") or batch["fine_labels"], strict=True):
                yield Picture(names[label], Image.fromarray(np.ascontiguousarray(pixels)))

    return archives, pictures


def unpickled(file: Path) -> Any:  # noqa: ANN401 - dictionaries of arrays, lists and names
    """What a file of CIFAR's holds, which comes as a pickle: arrays and plain values, nothing that is called.

    torchvision's own reader would call whatever the file names.

    Raises:
        DataError: it holds more.
    """
    with file.open("rb") as stream:
        try:
            return _PlainUnpickler(stream, encoding="latin1").load()
        except pickle.UnpicklingError as error:
            raise DataError(f"{file} is refused: {error}") from error


class _PlainUnpickler(pickle.Unpickler):
    """Calls nothing but what makes numpy's arrays."""

    _HARMLESS = frozenset(
        {"numpy._core.multiarray._reconstruct", "numpy.ndarray", "numpy.dtype", "_codecs.encode"}
    )

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as in pickle
        """Numpy's arrays, under the names that it has had."""
        module = module.replace("numpy.core.", "numpy._core.")
        if f"{module}.{name}" not in self._HARMLESS:
            raise pickle.UnpicklingError(f"unpickling it would call {module}.{name}")
        return super().find_class(module, name)


def _flowers() -> Sequence[Archive]:
    known = _dataset("Flowers102")
    return [
        Archive((f"{known._download_url_prefix}{name}",), md5, f"flowers-102/{name}")  # noqa: SLF001 - published nowhere else
        for name, md5 in known._file_dict.values()  # noqa: SLF001
    ]


def _flower_pictures(store: Path, split: str) -> Iterator[Picture]:
    _unpack(store / "flowers-102" / "102flowers.tgz", store / "flowers-102")
    found = _dataset("Flowers102")(store, split=split)
    names = [f"{number:03} {name}" for number, name in enumerate(found.classes, start=1)]
    return _from_files(zip(found._image_files, found._labels, strict=True), names)  # noqa: SLF001


def _pets() -> Sequence[Archive]:
    return [
        Archive((url,), md5, f"oxford-iiit-pet/{url.rpartition('/')[2]}")
        for url, md5 in _dataset("OxfordIIITPet")._RESOURCES  # noqa: SLF001
    ]


def _pet_pictures(store: Path, split: str) -> Iterator[Picture]:
    for archive in _pets():
        _unpack(store / archive.place, store / "oxford-iiit-pet")
    found = _dataset("OxfordIIITPet")(store, split=split)
    return _from_files(zip(found._images, found._labels, strict=True), found.classes)  # noqa: SLF001


def _food() -> Sequence[Archive]:
    known = _dataset("Food101")
    return [Archive((known._URL,), known._MD5, "food-101.tar.gz")]  # noqa: SLF001


def _food_pictures(store: Path, split: str) -> Iterator[Picture]:
    _unpack(store / "food-101.tar.gz", store)
    found = _dataset("Food101")(store, split=split)
    return _from_files(zip(found._image_files, found._labels, strict=True), found.classes)  # noqa: SLF001


def _dataset(kind: str) -> Any:  # noqa: ANN401 - torchvision is not typed
    from torchvision import datasets  # seconds

    return getattr(datasets, kind)


def _from_pairs(found: Any) -> Iterator[Picture]:  # noqa: ANN401 - torchvision is not typed
    for image, label in found:
        yield Picture(str(found.classes[label]), image)


def _from_files(found: Iterator[tuple[Path, int]], names: Sequence[str]) -> Iterator[Picture]:
    for file, label in found:
        yield Picture(names[label], Path(file))


def _unpack(archive: Path, folder: Path) -> None:
    """Once: a stamp beside the archive says so."""
    stamp = archive.with_name(f"{archive.name}.unpacked")
    if stamp.exists():
        return
    try:
        with tarfile.open(archive) as content:
            content.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError) as error:
        raise DataError(f"{archive} cannot be unpacked: {error}", "delete it, and try again") from error
    stamp.touch()


_TRAIN_TEST = {"train": "train", "test": "test"}

SETS = {
    found.name: found
    for found in (
        CourseSet(DIGITS, "handwritten digits, with scikit-learn", 10, 1797, "32 x 32 grey", 0, {"": ""}, lambda: (), lambda *_: digits()),
        CourseSet("mnist", "handwritten digits", 10, 70_000, "28 x 28 grey", 12, _TRAIN_TEST, *_mnist("MNIST")),
        CourseSet("fashion-mnist", "clothes", 10, 70_000, "28 x 28 grey", 31, _TRAIN_TEST, *_mnist("FashionMNIST")),
        CourseSet("cifar10", "things and animals", 10, 60_000, "32 x 32", 171, _TRAIN_TEST, *_cifar("CIFAR10")),
        CourseSet("cifar100", "things and animals", 100, 60_000, "32 x 32", 169, _TRAIN_TEST, *_cifar("CIFAR100")),
        CourseSet("flowers102", "flowers", 102, 8189, "about 600 x 500", 345, {"train": "train", "val": "val", "test": "test"}, _flowers, _flower_pictures),
        CourseSet("oxford-pets", "cats and dogs by breed", 37, 7349, "about 400 x 400", 811, {"train": "trainval", "test": "test"}, _pets, _pet_pictures),
        CourseSet("food101", "dishes", 101, 101_000, "up to 512 x 512", 4996, _TRAIN_TEST, _food, _food_pictures),
    )
}  # fmt: skip
"""By name, in the order in which they are listed."""
