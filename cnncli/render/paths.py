"""Paths as text: any file name there is, in formats that are UTF-8 and have rules of their own."""

import os
import re
from urllib.parse import unquote_to_bytes

_SURROGATE = re.compile("[\udc80-\udcff]")
"""What `os.fsdecode` makes of a byte that is no UTF-8."""

_TSV_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def is_percent_encoded(path: str) -> bool:
    """Whether `path_text` writes this path percent-encoded: it holds bytes that are no UTF-8."""
    return _SURROGATE.search(path) is not None


def path_text(path: str) -> str:
    """The path as valid Unicode.

    Bytes that are no UTF-8 are percent-encoded, and then `%` itself is, too, so that
    `urllib.parse.unquote_to_bytes` gives back the very bytes of the name.
    """
    if not is_percent_encoded(path):
        return path
    return _SURROGATE.sub(lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", path.replace("%", "%25"))


def path_of(text: str) -> str:
    """The path that `path_text` has percent-encoded."""
    return os.fsdecode(unquote_to_bytes(text))


def tsv_text(text: str) -> str:
    r"""Text as one field of a TSV line: backslash, tab and line ends become `\\`, `\t`, `\n`, `\r`."""
    return text.translate(_TSV_ESCAPES)


def printable(text: str) -> str:
    r"""Text that leaves a terminal as it is: line ends, escape codes and stray bytes are spelled out."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "replace").decode()
        for character in path_text(text)
    )
