"""Why an image cannot be read, as text for people."""

from typing import BinaryIO

from cnncli.images import heif

TRUNCATED = "truncated: the file ends before the image is complete"
"""The reason of a file that was cut off."""


_POSTSCRIPT = "PostScript, which needs another program (Ghostscript)"
_JPEG_XL = "a JPEG XL image, which Pillow does not read; convert it to JPEG or PNG first"

_OTHER_KINDS = (
    (0, b"%!PS", _POSTSCRIPT),
    (0, b"\xc5\xd0\xd3\xc6", _POSTSCRIPT),
    (0, b"\xff\x0a", _JPEG_XL),
    (0, b"\0\0\0\x0cJXL ", _JPEG_XL),
    (128, b"DICM", "a DICOM image; convert it to PNG first"),
    (257, b"ustar", "not an image but a tar archive: give it as an argument, with a name that ends in .tar"),
    (
        0,
        b"PAR1",
        "not an image but a Parquet file: give it as an argument, with a name that ends in .parquet",
    ),
)
"""Offset and bytes that tell what a file is that no decoder opens, and what is said of it."""


def reason_if_unknown(stream: BinaryIO) -> str:
    """Why a file cannot be opened that no decoder knows."""
    stream.seek(0)
    head = stream.read(512)
    other = next((text for start, magic, text in _OTHER_KINDS if head[start:].startswith(magic)), None)
    return other or heif.reason_if_unreadable(head) or "not an image, or too damaged to tell which kind"


def os_error_reason(error: OSError) -> str:
    """The reason in an OSError of the operating system, or of Pillow, which uses the same class."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "a folder, not a file"
    if error.strerror:
        return error.strerror
    return decoder_reason(error)


def decoder_reason(error: Exception) -> str:
    """The reason in an exception of a decoder."""
    message = _one_line(error)
    is_truncated = "truncated" in message or "end of file" in message
    return TRUNCATED if is_truncated else f"cannot be decoded: {message}"


def _one_line(error: Exception) -> str:
    """An exception's message on one line, shortened if it is long."""
    message = " ".join(str(error).split()) or type(error).__name__
    return message if len(message) <= 160 else message[:159] + "…"  # noqa: PLR2004 - two lines of a terminal
