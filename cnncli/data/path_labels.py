"""Labels from the folders of images that are in no local folder: in an archive, on a server. The layouts are the same.

train|val|test/CLASS/**
CLASS/**
"""

from collections.abc import Sequence

from cnncli.data.labelled import LabelledImage
from cnncli.data.split_names import split_of_name
from cnncli.dataclass import frozen_dataclass
from cnncli.errors import DataError
from cnncli.records.data import Split
from cnncli.records.predictions import ImageSource
from cnncli.text import counted, shortlist


@frozen_dataclass
class PlacedImage:
    """An image, and the folders that it is in, the outermost first."""

    source: ImageSource
    folders: tuple[str, ...]
    split: Split | None = None


def label_by_folders(images: Sequence[PlacedImage], data: str, remarks: list[str]) -> list[LabelledImage]:
    """The images with the names of their folders as labels; those that are in no folder are left out.

    Args:
        images: in their order.
        data: what the user calls them, for messages.
        remarks: gets one line for what is left out.

    Raises:
        DataError: the folders may be splits or classes.
    """
    placed = [image for image in _without_common_folders(images) if image.folders]
    if len(placed) < len(images):
        remarks.append(
            f"left out: {counted(len(images) - len(placed), 'image')} of {data} in no class folder"
        )
    if not _are_splits(placed, data):
        return [LabelledImage(image.source, image.folders[0], image.split) for image in placed]
    return [
        LabelledImage(image.source, image.folders[1], split_of_name(image.folders[0]))
        for image in placed
        if split_of_name(image.folders[0])
    ]


def _without_common_folders(images: Sequence[PlacedImage]) -> Sequence[PlacedImage]:
    """The images without the folders that all of them are in, as packed folders have: `flowers/rose/1.jpg`."""
    while images and all(len(image.folders) > 1 for image in images):
        if len({image.folders[0] for image in images}) > 1 or split_of_name(images[0].folders[0]):
            break
        images = [PlacedImage(image.source, image.folders[1:], image.split) for image in images]
    return images


def _are_splits(images: Sequence[PlacedImage], data: str) -> bool:
    """Whether the outermost folders are splits: one of them is for training, or all of them have names of splits.

    Raises:
        DataError: one may be a split or a class.
    """
    names = sorted({image.folders[0] for image in images})
    named = {name: split for name in names if (split := split_of_name(name))}
    with_images = {image.folders[0] for image in images if len(image.folders) == 1}
    splits = [name for name in named if name not in with_images]
    if splits and (Split.TRAIN in map(named.get, splits) or len(splits) == len(names)):
        return True
    if named and len(names) > 1:
        raise DataError(
            f"{shortlist(sorted(named))} in {data} may be a split, or a class",
            "put the class folders into train/, val/ and test/",
        )
    return False
