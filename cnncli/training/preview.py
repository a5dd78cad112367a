"""`--preview`: training images as the network will see them, before any training."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from cnncli.errors import DataError, OutputError, UsageError
from cnncli.files.output_path import is_inside, require_free
from cnncli.files.whole import write_whole
from cnncli.images.image_cache import ImageCache, Planes
from cnncli.images.loader import ImageReader
from cnncli.networks import cache
from cnncli.prepare import resolve_untrained
from cnncli.records.data import DataPath, DataSet, Split
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import Progress
from cnncli.render.contact_sheet import ROWS, THUMBNAIL, SheetRow, contact_sheet_png
from cnncli.training.network import batches
from cnncli.training.preparation import read_data
from cnncli.training.settings import NetworkSettings

_VIEWS = 9

_CACHE_SIZE = 2**30
"""Bytes of decoded images."""


def save_preview(
    settings: NetworkSettings, file: Path, progress: Progress, *, is_offline: bool = False
) -> bool:
    """Save a picture with one row per class: a training image, then its augmented views in the first epochs.

    Args:
        settings: the settings to preview.
        file: the PNG to write.
        progress: reports what is left out.
        is_offline: download nothing.

    Returns:
        Whether all images that were opened could be read; a warning names the others.

    Raises:
        UsageError: the file is not a PNG.
        OutputError: the file exists, or is inside the data folder.
        CnncliError: the data or the network cannot be used, or the file cannot be written.
    """
    _validate_file(file, settings.data)
    data = read_data(settings, progress)
    preprocessing = resolve_untrained(settings.reference, progress, is_offline=is_offline).preprocessing
    unreadable: list[Unreadable] = []
    reader = ImageReader(preprocessing, settings.max_pixels)
    images = ImageCache(cache.home() / "pixels", _CACHE_SIZE)
    store = batches.for_training(data.split(Split.TRAIN), reader, images, settings.options.augmentation)
    with contextlib.closing(store):
        rows = [
            _row(store, name, number, settings, preprocessing.size)
            for name, number in _first_readable(data, store, unreadable, progress)
        ]
    if not rows:
        raise DataError(f"no image of {data.title} can be read", "`cnncli check` says why")
    write_whole(file, contact_sheet_png(rows), overwrite=False)
    for record in unreadable:
        progress.warning(f"{record.path}: {record.reason}")
    if len(data.class_names) > ROWS:
        progress.notice(f"only the first {ROWS} of {len(data.class_names):,} classes are shown")
    progress.notice(
        f"saved {file}: one image of each class, and {_VIEWS} views of it, as the first epochs see them"
    )
    return not unreadable


def _validate_file(file: Path, data: DataPath) -> None:
    if file.suffix.lower() != ".png":
        raise UsageError(f"--preview {file}: a preview is a PNG", "use a name that ends in .png")
    require_free(file, overwrite=False, hint="--preview can write to another file")
    if is_inside(file, data):
        raise OutputError(f"{file} is inside the data folder", "write it somewhere else")


def _first_readable(
    data: DataSet, store: batches.ImageStore, unreadable: list[Unreadable], progress: Progress
) -> Iterator[tuple[str, int]]:
    """Name and first readable image of each class; unreadable ones before it are added to the list."""
    samples = data.split(Split.TRAIN)
    for label, name in enumerate(data.class_names[:ROWS]):
        for number in (number for number, sample in enumerate(samples) if label in data.classes_of(sample)):
            image = store.read(number)
            if not isinstance(image, Unreadable):
                yield name, number
                break
            unreadable.append(image)
        else:
            progress.warning(f"no image of {name!r} can be read: `cnncli check` says why")


def _row(
    store: batches.ImageStore, name: str, number: int, settings: NetworkSettings, size: tuple[int, int]
) -> SheetRow:
    """An image and its views at a size (height, width)."""
    augmentation, seed = settings.options.augmentation, settings.seed
    views = [batches.RandomViews(store, size, augmentation, seed, epoch)(number) for epoch in range(_VIEWS)]
    images = [store.read(number), *views]
    return SheetRow(name, [_thumbnail(image) for image in images if not isinstance(image, Unreadable)])


def _thumbnail(planes: Planes) -> bytes:
    image = Image.fromarray(planes if planes.shape[2] > 1 else planes[:, :, 0])
    image.thumbnail(THUMBNAIL)
    picture = io.BytesIO()
    image.save(picture, "PNG")
    return picture.getvalue()
