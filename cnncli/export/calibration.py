"""Images for quantizing: some to measure the ranges of activations, others to measure the loss in accuracy."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cnncli.dataclass import frozen_dataclass
from cnncli.engines.cores import usable_cores
from cnncli.errors import DataError
from cnncli.evaluation import selection
from cnncli.evaluation.tasks.columns import read_data
from cnncli.images.loader import ImageReader, batches
from cnncli.images.preprocess import Pixels
from cnncli.images.sources import walk
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.defaults import MAX_PIXELS
from cnncli.records.list_columns import ListColumns
from cnncli.records.predictions import ImageSource, Unreadable

_MOST = 200
"""Largest number of images to measure ranges on; more hardly change them."""


@frozen_dataclass
class LabelledSource:
    """An image and the name of its class, None where it has no label, or labels of tasks."""

    source: ImageSource
    label: str | None


@frozen_dataclass
class CalibrationImages:
    """Images that are typical of the network's use.

    Attributes:
        ranges: images to measure the ranges of activations on.
        held_out: other images, to measure the loss in accuracy on.
    """

    ranges: tuple[ImageSource, ...]
    held_out: tuple[LabelledSource, ...]


def select_images(data: Path, folder: ModelFolder) -> CalibrationImages:
    """Choose images to measure on: ranges on training images, the loss in accuracy on held-out ones; else each on half.

    Args:
        data: labelled folder or list, or a folder of images.
        folder: the network, whose run may know which images it was trained on.

    Raises:
        DataError: there are no images.
    """
    images, held_out = _find_images(data, folder)
    if not images:
        raise DataError(f"there are no images in {data} to calibrate with")
    order = [images[index] for index in np.random.default_rng(0).permutation(len(images))]
    others = [image for image in order if image.source.path not in held_out]
    if held_out and others:
        ranges, remaining = others[:_MOST], [image for image in order if image.source.path in held_out]
    else:
        count = min(_MOST, max(len(order) // 2, 1))
        ranges, remaining = order[:count], order[count:] or order
    return CalibrationImages(tuple(image.source for image in ranges), tuple(remaining))


def _find_images(data: Path, folder: ModelFolder) -> tuple[list[LabelledSource], set[str]]:
    """All images, and the paths of those that were held out from training, as far as that is known."""
    try:
        dataset = read_data(data, ListColumns(), folder.card.tasks)
    except DataError:
        inputs = walk(str(data)) if data.is_dir() else ()
        sources = [source for source in inputs if not isinstance(source, Unreadable)]
        return [LabelledSource(source, None) for source in sources], set()
    selected = selection.select_samples(dataset, None, [folder.path])
    held_out = {sample.path for sample in selected.samples} if selected.split != selection.ALL else set[str]()
    names = dataset.class_names
    return [
        LabelledSource(sample.source, None if dataset.tasks else names[sample.label])
        for sample in dataset.samples
    ], held_out


def read_pixels(folder: ModelFolder, sources: tuple[ImageSource, ...]) -> Iterator[Pixels]:
    """(C, H, W) of each image that can be read."""
    read = ImageReader(folder.card.preprocessing, MAX_PIXELS)
    for batch in batches(sources, read, batch_size=8, workers=usable_cores()):
        yield from batch.pixels
