"""Archives of common data sets: downloading, verifying and unpacking them."""

import contextlib
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import DataError
from cnncli.records.data import Split
from cnncli.records.progress import Progress
from cnncli.web import InterruptedDownloadError, download, md5

if TYPE_CHECKING:
    from PIL import Image

AmountBar = Callable[[int | None], contextlib.AbstractContextManager[Callable[[int], None]]]
"""Opens a progress bar for an amount of work (None where unknown); yields a function to call with each amount done."""


@frozen_dataclass
class Archive:
    """A file that a data set is downloaded as.

    Attributes:
        urls: of the file and its mirrors, tried in order.
        md5: of its content, as torchvision publishes it.
        path: where torchvision looks for it, relative to the folder of all data sets.
    """

    urls: tuple[str, ...]
    md5: str
    path: str


@frozen_dataclass
class Picture:
    """A labelled image of a data set.

    Attributes:
        label: name of its class.
        content: its pixels, or the image file.
    """

    label: str
    content: "Image.Image | Path"


@frozen_dataclass
class ListedPicture:
    """An image of a data set that is written with a list.

    Attributes:
        labels: its cells in the list's columns of labels.
        split: of the image.
        content: its pixels.
    """

    labels: tuple[str, ...]
    split: Split
    content: "Image.Image"


def fetch(
    archives: Iterable[Archive], store: Path, progress: Progress, bar: AmountBar, *, is_offline: bool
) -> None:
    """Download the archives that are missing, and resume interrupted downloads.

    Args:
        archives: of a data set.
        store: the folder of all data sets.
        progress: receives a notice of each download.
        bar: for the bytes.
        is_offline: download nothing.

    Raises:
        DataError: an archive cannot be downloaded, or is not the published one.
    """
    for archive in archives:
        file = store / archive.path
        if file.exists():
            _require_published(file, archive)
            continue
        if is_offline:
            raise DataError(f"{file} does not exist, and nothing is downloaded offline")
        _download(archive, file, progress, bar)


def _require_published(file: Path, archive: Archive) -> None:
    if md5(file) != archive.md5:
        raise DataError(f"{file} is not the published file (its MD5 differs)", "delete it, and try again")


def _download(archive: Archive, file: Path, progress: Progress, bar: AmountBar) -> None:
    reasons: list[str] = []
    for url in archive.urls:
        progress.notice(f"downloading {url}")
        try:
            with bar(None) as advance:
                download(url, file, archive.md5, advance)
        except InterruptedDownloadError as error:
            raise DataError(
                f"the download of {url} was interrupted: {error}", "the same command resumes it"
            ) from error
        except OSError as error:
            reasons.append(str(error))
        else:
            return
    raise DataError(
        f"download of {file.name} failed: {'; '.join(reasons)}", f"try again, or put a copy in {file.parent}"
    )


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar archive once; a stamp file beside it records that.

    Raises:
        DataError: the archive is damaged.
    """
    stamp = archive.with_name(f"{archive.name}.unpacked")
    if stamp.exists():
        return
    try:
        with tarfile.open(archive) as content:
            content.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError) as error:
        raise DataError(f"{archive} cannot be unpacked: {error}", "delete it, and try again") from error
    stamp.touch()
