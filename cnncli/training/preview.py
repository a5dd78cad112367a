"""`--preview`: training images as the network will see them, before any training."""

import io
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from cnncli.errors import DataError, OutputError, UsageError
from cnncli.files.place import require_free
from cnncli.files.whole import write_whole
from cnncli.images.decode import allow_pixels
from cnncli.images.image_cache import ImageCache, Planes
from cnncli.images.loader import Reader
from cnncli.networks import cache
from cnncli.prepare import resolve_untrained
from cnncli.records.data import Split
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import Progress
from cnncli.render.contact_sheet import ROWS, THUMBNAIL, SheetRow, contact_sheet_png
from cnncli.training.features import fit as features
from cnncli.training.network import batches
from cnncli.training.settings import NetworkSettings

_VIEWS = 9


def save_preview(
    settings: NetworkSettings, file: Path, progress: Progress, *, is_offline: bool = False
) -> bool:
    """A row for each class: one of its training images as it is, then as it is seen in one epoch after the other.

    Args:
        settings: of the training.
        file: the PNG to write.
        progress: hears what is left out.
        is_offline: download nothing.

    Returns:
        Whether all that was looked at could be read; what could not was told of.

    Raises:
        UsageError: the file is no PNG.
        OutputError: something is in the file's place, or it would lie among the data.
        CnncliError: the data or the network cannot be had, or the file cannot be written.
    """
    _require_place(file, settings.data)
    data = features.read(settings, progress)
    how = resolve_untrained(settings.reference, progress, is_offline=is_offline).preprocessing
    allow_pixels(settings.max_pixels)
    samples = data.split(Split.TRAIN)
    reader = Reader(how, settings.max_pixels)
    pictures = batches.for_training(
        samples, reader, ImageCache(cache.home() / "pixels", 2**30), settings.options.augmentation
    )
    rows = []
    failed: list[Unreadable] = []
    for label, name in enumerate(data.class_names[:ROWS]):
        numbers = (number for number, sample in enumerate(samples) if sample.label == label)
        found = _first(pictures, numbers, failed)
        if found is None:
            progress.warning(f"no image of {name!r} can be read: `cnncli check` says why")
            continue
        number, whole = found
        seen = [
            batches.RandomViews(pictures, how.size, settings.options.augmentation, settings.seed, epoch)(
                number
            )
            for epoch in range(_VIEWS)
        ]
        rows.append(
            SheetRow(name, [_thumbnail(view) for view in [whole, *seen] if not isinstance(view, Unreadable)])
        )
    if not rows:
        raise DataError(f"no image of {data.root} can be read", "`cnncli check` says why")
    pictures.close()
    write_whole(file, contact_sheet_png(rows))
    for record in failed:
        progress.warning(f"{record.path}: {record.reason}")
    if len(data.class_names) > ROWS:
        progress.notice(f"the first {ROWS} of {len(data.class_names):,} classes are shown")
    progress.notice(
        f"{file}: an image of each class, then {_VIEWS} views of it, as the first epochs will see it"
    )
    return not failed


def _require_place(file: Path, data: Path) -> None:
    if file.suffix.lower() != ".png":
        raise UsageError(f"--preview {file}: a preview is a PNG", "give a name that ends in .png")
    require_free(file, overwrite=False, hint="--preview writes to another name, too")
    if data.is_dir() and file.resolve().is_relative_to(data.resolve()):
        raise OutputError(f"{file} would lie among the data", "write it somewhere else")


def _first(
    pictures: batches.ImageStore, numbers: Iterable[int], failed: list[Unreadable]
) -> tuple[int, Planes] | None:
    """The first of these images that can be read; those before it have failed."""
    for number in numbers:
        image = pictures.read(number)
        if not isinstance(image, Unreadable):
            return number, image
        failed.append(image)
    return None


def _thumbnail(planes: Planes) -> bytes:
    image = Image.fromarray(planes if planes.shape[2] > 1 else planes[:, :, 0])
    image.thumbnail(THUMBNAIL)
    picture = io.BytesIO()
    image.save(picture, "PNG")
    return picture.getvalue()
