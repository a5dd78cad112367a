"""Labelled data as a folder on a server, with one folder per class, optionally within split folders."""

from collections import Counter

from cnncli.data.folders import LAYOUTS
from cnncli.data.labelled import build_data_set
from cnncli.data.path_labels import PlacedImage, label_by_folders
from cnncli.errors import DataError
from cnncli.images.file_names import by_products_text
from cnncli.images.sources import walk_remote
from cnncli.records.data import DataSet
from cnncli.records.predictions import Unreadable


def read_remote_folder(url: str) -> DataSet:
    """The labelled images of a folder; only names are read.

    Raises:
        DataError: it cannot be listed, has no labelled images, or its folders may be splits or classes.
    """
    root = url.rstrip("/")
    skipped: Counter[str] = Counter()
    images = []
    for source in walk_remote(root, skipped):
        if isinstance(source, Unreadable):
            raise DataError(f"cannot read the folder {source.path}: {source.reason}")
        images.append(PlacedImage(source, tuple(source.path.removeprefix(f"{root}/").split("/")[:-1])))
    remarks = [by_products_text(skipped, url)] if skipped else []
    labelled = label_by_folders(images, url, remarks)
    if not labelled:
        raise DataError(f"no labelled images in {url}", LAYOUTS)
    return build_data_set(root.rpartition("/")[2], root, labelled, remarks)
