"""Which names of files and folders count as images or archives, wherever they are: on a disk, on a server, in an archive."""

import os
from collections.abc import Mapping

from cnncli.text import is_url

STDIN = "-"
"""The name of standard input."""

BY_PRODUCTS = frozenset({"@eaDir", ".ipynb_checkpoints", "__MACOSX", "Thumbs.db"})
"""Folders and files that other programs leave beside images: Synology's thumbnails, Jupyter's copies, macOS's metadata, Windows'
thumbnails. They are skipped and named."""

RAW_EXTENSIONS = frozenset(
    f".{suffix}"
    for line in (
        "3fr arw bay cr2 cr3 crw dcr dcs dng erf fff gpr iiq k25 kdc mef mos mrw nef nrw orf pef raf rw2 rwl sr2",
        "srf srw x3f",
    )
    for suffix in line.split()
)
"""Suffixes of camera RAW files."""

IMAGE_EXTENSIONS = RAW_EXTENSIONS | frozenset(
    f".{suffix}"
    for line in (
        "apng avif avifs blp bmp bw cur dcm dcx dds dib dicom fit fits flc fli ftc ftu gif heic heics heif heifs",
        "hif icb icns ico im j2c j2k jfif jp2 jpc jpe jpeg jpf jpg jpx jxl mpo msp pbm pcx pfm pgm png pnm ppm psd pxr qoi ras",
        "rgb rgba sgi tga tif tiff vda vst webp xbm xpm",
    )
    for suffix in line.split()
)
"""Suffixes of the files in a folder that count as images. Those that cannot be read (JPEG XL, DICOM), or only with a package that may
not be installed (RAW), are included: a photo that is skipped silently is worse than one that is reported."""


def by_products_text(skipped: Mapping[str, int], folder: str) -> str:
    """The by-products of other programs that were skipped in a folder: how many of each name."""
    names = ", ".join(f"{count:,} {name}" for name, count in sorted(skipped.items()))
    return f"skipped in {folder}: {names}"


def is_folder_name(name: str) -> bool:
    """Whether a folder is searched for images, by its name alone."""
    return not name.startswith(".") and name not in BY_PRODUCTS


def is_image_name(name: str) -> bool:
    """Whether a file of a folder counts as an image, by its name alone."""
    return os.path.splitext(name)[1].lower() in IMAGE_EXTENSIONS and not name.startswith("._")


_TAR_ENDINGS = (".tar", ".tar.gz", ".tgz")
_PARQUET_ENDING = ".parquet"


def is_archive(name: str) -> bool:
    """Whether a name is that of a tar archive."""
    return name.lower().endswith(_TAR_ENDINGS)


def is_compressed(archive: str) -> bool:
    """Whether an archive is compressed, so that its images cannot be read in any order."""
    return not archive.lower().endswith(".tar")


def is_read_in_order(archive: str) -> bool:
    """Whether an archive is read from its beginning to its end, and its images are held in memory."""
    return is_url(archive) or is_compressed(archive)


def is_parquet(name: str) -> bool:
    """Whether a name is that of a Parquet file."""
    return name.lower().endswith(_PARQUET_ENDING)
