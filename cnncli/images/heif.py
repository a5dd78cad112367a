"""HEIC and HEIF images, which phones take, for Pillow: by the package pi-heif (libheif)."""

import functools

from cnncli.text import install_command

_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)
"""What the first box of such a file says of its content (ISO/IEC 23008-12)."""


@functools.cache
def register() -> bool:
    """Let Pillow open HEIC images; False where pi-heif is not installed or cannot be loaded."""
    try:
        import pi_heif
    except ImportError:
        return False
    # One thread per image, since several images are decoded at a time; nothing but the image itself.
    pi_heif.register_heif_opener(decode_threads=1, thumbnails=False, depth_images=False, aux_images=False)
    return True


def reason_if_unreadable(head: bytes) -> str | None:
    """Why Pillow could not open a file that begins with these bytes; None if it is no HEIC image."""
    if head[4:8] != b"ftyp" or head[8:12] not in _BRANDS:
        return None
    if register():
        return "a HEIC image that is damaged or cut off"
    return f"a HEIC image, which needs the package pi-heif: {install_command('pi-heif')}"
