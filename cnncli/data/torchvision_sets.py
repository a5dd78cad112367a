"""Data sets that torchvision knows: where they are downloaded from, and their images.

torchvision's own classes read them, except CIFAR's pickles, which torchvision loads without restricting what they may call.
"""

import gzip
import pickle
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cnncli.data.archives import Archive, Picture, unpack
from cnncli.errors import DataError

Archives = Callable[[], Sequence[Archive]]
"""Returns the archives of a data set; imports torchvision, which takes seconds."""

Pictures = Callable[[Path, str], Iterator[Picture]]
"""Yields the images of a split, from the folder of all data sets and torchvision's name of the split."""


def mnist(class_name: str) -> tuple[Archives, Pictures]:
    """MNIST or a data set in its format, by the name of torchvision's class."""

    def archives() -> Sequence[Archive]:
        dataset = _dataset_class(class_name)
        return [
            Archive(tuple(f"{mirror}{name}" for mirror in dataset.mirrors), md5, f"{class_name}/raw/{name}")
            for name, md5 in dataset.resources
        ]

    def pictures(store: Path, split: str) -> Iterator[Picture]:
        for archive in archives():
            packed = store / archive.path
            with gzip.open(packed) as content, packed.with_suffix("").open("wb") as plain:
                shutil.copyfileobj(content, plain)
        dataset = _dataset_class(class_name)(store, train=split == "train")
        for image, label in dataset:
            yield Picture(str(dataset.classes[label]), image)

    return archives, pictures


def cifar(class_name: str) -> tuple[Archives, Pictures]:
    """CIFAR-10 or CIFAR-100, by the name of torchvision's class."""

    def archives() -> Sequence[Archive]:
        dataset = _dataset_class(class_name)
        return [Archive((dataset.url,), dataset.tgz_md5, dataset.filename)]

    def pictures(store: Path, split: str) -> Iterator[Picture]:
        import numpy as np
        from PIL import Image

        unpack(store / archives()[0].path, store)
        dataset = _dataset_class(class_name)
        folder = store / dataset.base_folder
        names = load_plain_pickle(folder / dataset.meta["filename"])[dataset.meta["key"]]
        for file, _ in dataset.train_list if split == "train" else dataset.test_list:
            batch = load_plain_pickle(folder / file)
            images = np.asarray(batch["data"]).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
            for pixels, label in zip(images, batch.get("labels") or batch["fine_labels"], strict=True):
                yield Picture(names[label], Image.fromarray(np.ascontiguousarray(pixels)))

    return archives, pictures


def load_plain_pickle(file: Path) -> Any:  # noqa: ANN401 - dictionaries of arrays, lists and names
    """Load a pickle that holds NumPy arrays and plain values only; no other function is called.

    Raises:
        DataError: it holds something else.
    """
    with file.open("rb") as stream:
        try:
            return _PlainUnpickler(stream, encoding="latin1").load()
        except pickle.UnpicklingError as error:
            raise DataError(f"{file} is refused: {error}") from error


class _PlainUnpickler(pickle.Unpickler):
    """Calls only the functions that make NumPy arrays."""

    _HARMLESS = frozenset(
        {"numpy._core.multiarray._reconstruct", "numpy.ndarray", "numpy.dtype", "_codecs.encode"}
    )

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as in pickle
        """A harmless function, under any of the names that NumPy's modules have had."""
        module = module.replace("numpy.core.", "numpy._core.")
        if f"{module}.{name}" not in self._HARMLESS:
            raise pickle.UnpicklingError(f"unpickling it would call {module}.{name}")
        return super().find_class(module, name)


def flowers_archives() -> Sequence[Archive]:
    """The archives of Flowers-102."""
    dataset = _dataset_class("Flowers102")
    return [
        Archive((f"{dataset._download_url_prefix}{name}",), md5, f"flowers-102/{name}")  # noqa: SLF001 - not in the public API
        for name, md5 in dataset._file_dict.values()  # noqa: SLF001
    ]


def flowers_pictures(store: Path, split: str) -> Iterator[Picture]:
    """The images of a split of Flowers-102."""
    unpack(store / "flowers-102" / "102flowers.tgz", store / "flowers-102")
    dataset = _dataset_class("Flowers102")(store, split=split)
    names = [f"{number:03} {name}" for number, name in enumerate(dataset.classes, start=1)]
    return _pictures(dataset._image_files, dataset._labels, names)  # noqa: SLF001


def pets_archives() -> Sequence[Archive]:
    """The archives of the Oxford-IIIT pets."""
    return [
        Archive((url,), md5, f"oxford-iiit-pet/{url.rpartition('/')[2]}")
        for url, md5 in _dataset_class("OxfordIIITPet")._RESOURCES  # noqa: SLF001
    ]


def pets_pictures(store: Path, split: str) -> Iterator[Picture]:
    """The images of a split of the Oxford-IIIT pets."""
    for archive in pets_archives():
        unpack(store / archive.path, store / "oxford-iiit-pet")
    dataset = _dataset_class("OxfordIIITPet")(store, split=split)
    return _pictures(dataset._images, dataset._labels, dataset.classes)  # noqa: SLF001


def food_archives() -> Sequence[Archive]:
    """The archive of Food-101."""
    dataset = _dataset_class("Food101")
    return [Archive((dataset._URL,), dataset._MD5, "food-101.tar.gz")]  # noqa: SLF001


def food_pictures(store: Path, split: str) -> Iterator[Picture]:
    """The images of a split of Food-101."""
    unpack(store / "food-101.tar.gz", store)
    dataset = _dataset_class("Food101")(store, split=split)
    return _pictures(dataset._image_files, dataset._labels, dataset.classes)  # noqa: SLF001


def _dataset_class(name: str) -> Any:  # noqa: ANN401 - torchvision is not typed
    from torchvision import datasets  # takes seconds

    return getattr(datasets, name)


def _pictures(files: Sequence[Path], labels: Sequence[int], names: Sequence[str]) -> Iterator[Picture]:
    for file, label in zip(files, labels, strict=True):
        yield Picture(names[label], Path(file))
