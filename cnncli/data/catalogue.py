"""Common data sets, downloaded and written as labelled folders, or as folders with a list.

scikit-learn ships the digits. The others are downloaded from where torchvision says they are.
"""

import gzip
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from pathlib import Path

from cnncli.data.archives import AmountBar, ListedPicture, Picture
from cnncli.data.digits import PAIRS, digit_tasks, digits, two_digits
from cnncli.data.torchvision_sets import (
    Archives,
    Pictures,
    cifar,
    flowers_archives,
    flowers_pictures,
    food_archives,
    food_pictures,
    mnist,
    pets_archives,
    pets_pictures,
)
from cnncli.dataclass import frozen_dataclass
from cnncli.errors import DataError, OutputError
from cnncli.files.csv_tables import Table, write_tables
from cnncli.files.whole import whole_folder
from cnncli.records.defaults import PATH_COLUMN

DIGITS = "digits"


LIST_FILE = "list.csv"
"""The name of a list."""


@frozen_dataclass
class Listing:
    """How the images of a data set are listed: with several labels, or for several tasks.

    Attributes:
        columns: the columns of labels.
        options: the options that say what they are.
        pictures: the images.
    """

    columns: tuple[str, ...]
    options: str
    pictures: Callable[[], Iterator[ListedPicture]] = field(repr=False)


@frozen_dataclass
class CommonDataSet:
    """A data set that courses and papers use.

    Attributes:
        name: as the user types it.
        description: what the images show.
        classes: number of classes, of all tasks.
        images: number of images in all splits.
        size: of the images in pixels, as text.
        download_mb: megabytes to download; 0 where it comes with a library.
        splits: folder of each split -> torchvision's name for it; the folder is empty for a data set without splits.
        archives: the files that it is downloaded as.
        pictures: the images of a split.
        listing: how its images are listed instead; None for a folder for each class.
    """

    name: str
    description: str
    classes: int
    images: int
    size: str
    download_mb: int
    splits: Mapping[str, str] = field(default_factory=dict)
    archives: Archives = field(repr=False, default=lambda: ())
    pictures: Pictures = field(repr=False, default=lambda *_: iter(()))
    listing: Listing | None = None


def find_data_set(name: str) -> CommonDataSet:
    """The data set of that name.

    Raises:
        DataError: there is none.
    """
    if name not in DATA_SETS:
        raise DataError(f"unknown data set {name!r}", f"there are {', '.join(DATA_SETS)}")
    return DATA_SETS[name]


def write_data_set(data_set: CommonDataSet, store: Path, target: Path, shift: int, bar: AmountBar) -> int:
    """Write a data set as a folder, which appears when it is complete; return the number of images.

    Args:
        data_set: whose archives have been fetched.
        store: the folder of all data sets.
        target: the folder to write.
        shift: largest shift of `digits` in pixels.
        bar: for the images.

    Raises:
        DataError: the content of the archives is not as expected.
        OutputError: the folder cannot be written.
    """
    count = 0
    try:
        with whole_folder(target) as draft, bar(data_set.images) as advance:
            if data_set.listing:
                return _write_list(data_set.listing, draft, advance)
            for folder, split in data_set.splits.items():
                pictures = digits(shift) if data_set.name == DIGITS else data_set.pictures(store, split)
                for number, picture in enumerate(pictures):
                    _save(picture, draft / folder / _folder_name(picture.label), number)
                    advance(1)
                    count += 1
    except (EOFError, RuntimeError, KeyError, ValueError, gzip.BadGzipFile) as error:
        raise DataError(
            f"the downloaded files of {data_set.name} cannot be read: {error}",
            f"delete {store}, and try again",
        ) from error
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
    return count


def _write_list(listing: Listing, folder: Path, advance: Callable[[int], None]) -> int:
    """Write images and their list; return the number of images."""
    (folder / "images").mkdir(parents=True)
    rows = []
    for number, picture in enumerate(listing.pictures()):
        path = f"images/{number:05}.png"
        picture.content.save(folder / path)
        rows.append((path, *picture.labels, picture.split))
        advance(1)
    write_tables(folder, [Table(LIST_FILE, (PATH_COLUMN, *listing.columns, "split"), rows)])
    return len(rows)


def _folder_name(label: str) -> str:
    return label.replace("/", "-").replace("\0", "")


def _save(picture: Picture, folder: Path, number: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(picture.content, Path):
        shutil.copyfile(picture.content, folder / picture.content.name)
        return
    picture.content.save(folder / f"{number:05}.png")


_TRAIN_TEST = {"train": "train", "test": "test"}

_TWO_DIGITS = Listing(("labels",), "--multi-label labels", two_digits)
_DIGIT_TASKS = Listing(("digit", "above_four"), "--label-column digit --label-column above_four", digit_tasks)

DATA_SETS = {
    data_set.name: data_set
    for data_set in (
        CommonDataSet(DIGITS, "handwritten digits, with scikit-learn", 10, 1797, "32 x 32 grey", 0, {"": ""}, pictures=lambda *_: digits()),
        CommonDataSet("two-digits", "two digits in each image, both its labels", 10, sum(PAIRS.values()), "32 x 32 grey", 0, listing=_TWO_DIGITS),
        CommonDataSet("digit-tasks", "digits, and whether they are above four", 12, 1797, "32 x 32 grey", 0, listing=_DIGIT_TASKS),
        CommonDataSet("mnist", "handwritten digits", 10, 70_000, "28 x 28 grey", 12, _TRAIN_TEST, *mnist("MNIST")),
        CommonDataSet("fashion-mnist", "clothes", 10, 70_000, "28 x 28 grey", 31, _TRAIN_TEST, *mnist("FashionMNIST")),
        CommonDataSet("cifar10", "objects and animals", 10, 60_000, "32 x 32", 171, _TRAIN_TEST, *cifar("CIFAR10")),
        CommonDataSet("cifar100", "objects and animals", 100, 60_000, "32 x 32", 169, _TRAIN_TEST, *cifar("CIFAR100")),
        CommonDataSet("flowers102", "flowers", 102, 8189, "about 600 x 500", 345, {"train": "train", "val": "val", "test": "test"}, flowers_archives, flowers_pictures),
        CommonDataSet("oxford-pets", "cats and dogs by breed", 37, 7349, "about 400 x 400", 811, {"train": "trainval", "test": "test"}, pets_archives, pets_pictures),
        CommonDataSet("food101", "dishes", 101, 101_000, "up to 512 x 512", 4996, _TRAIN_TEST, food_archives, food_pictures),
    )
}  # fmt: skip
"""By name, in the order in which they are listed."""
