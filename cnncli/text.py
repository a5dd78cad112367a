"""Text shared by all rooms: counts, short numbers, paths in any output format, rows of CSV, encodings of text files."""

import codecs
import csv
import io
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, BinaryIO, TextIO
from urllib.parse import unquote_to_bytes

# ---- numbers for people: three significant digits, and singular or plural

_PREFIXES = ("", "K", "M", "G", "T", "P")


def short(number: float) -> str:
    """`25557032` as `25.6M`."""
    value, prefix = _scale(number)
    return f"{value}{prefix}"


def size(count: int) -> str:
    """Bytes: `97800000` as `97.8 MB`, in powers of 1,000."""
    value, prefix = _scale(count)
    return f"{value} {'k' if prefix == 'K' else prefix}B"


def counted(number: int, thing: str, things: str = "") -> str:
    """`1 image`, `1,203 images`; an irregular plural is passed as `things`: `2 classes`."""
    return f"{number:,} {thing if number == 1 else things or f'{thing}s'}"


_MAX_LISTED = 5
"""Names that a message lists; the others are counted."""


def shortlist(names: Sequence[str | int]) -> str:
    """The first few names or numbers, and how many more there are."""
    text = ", ".join(repr(name) for name in names[:_MAX_LISTED])
    return text + (f" and {len(names) - _MAX_LISTED:,} more" if len(names) > _MAX_LISTED else "")


_PERCENT = 100


def share_hint(value: float) -> str | None:
    """A hint for a number that was given in percent where a share from 0 to 1 is needed; None if it is no percentage."""
    return f"write {value / 100:g} for {value:g} %" if 1 < value <= _PERCENT else None


def percent(share: float) -> str:
    """`0.9712` as `97.1 %`."""
    return f"{100 * share:.1f} %"


def duration(minutes: float) -> str:
    """`3 min`; seconds below one and a half minutes."""
    return f"{minutes:,.0f} min" if minutes >= 1.5 else f"{max(60 * minutes, 1):,.0f} s"  # noqa: PLR2004


def _scale(number: float) -> tuple[str, str]:
    """Three significant digits, and the prefix of the power of 1,000 that they are multiples of."""
    value = float(number)
    for prefix in _PREFIXES:
        if abs(value) < 999.5 or prefix == _PREFIXES[-1]:  # noqa: PLR2004 - what rounds to four digits takes the next prefix
            break
        value /= 1000
    if not prefix:
        return f"{value:g}", ""
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0  # noqa: PLR2004 - three digits in all
    return f"{value:.{digits}f}", prefix


# ---- paths: any file name, in formats that are UTF-8 and have rules of their own

_SURROGATE = re.compile("[\udc80-\udcff]")
"""What `os.fsdecode` makes of a byte that is not UTF-8."""

_TSV_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)  # two letters at least: C:// is a drive


def is_url(text: str) -> bool:
    """Whether a word names something on a server: `s3://bucket/key`, not a path."""
    return _URL.match(text) is not None


def join_path(folder: str, path: str) -> str:
    """A path below a folder, each of which may be a URL."""
    if is_url(path):
        return path
    return f"{folder.rstrip('/')}/{path}" if is_url(folder) else os.path.join(folder, path)  # noqa: PTH118 - strings


def is_percent_encoded(path: str) -> bool:
    """Whether `path_text` writes this path percent-encoded: it holds bytes that are not UTF-8."""
    return _SURROGATE.search(path) is not None


def path_text(path: str) -> str:
    """The path as valid Unicode.

    Bytes that are not UTF-8 are percent-encoded. `%` itself is then encoded as well, so that
    `urllib.parse.unquote_to_bytes` restores the original bytes.
    """
    if not is_percent_encoded(path):
        return path
    return _SURROGATE.sub(lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", path.replace("%", "%25"))


def path_of(text: str) -> str:
    """The path that `path_text` percent-encoded."""
    return os.fsdecode(unquote_to_bytes(text))


def original_text(text: str) -> str:
    """The text that `path_text` made valid: decoded only if that gives bytes that are not UTF-8."""
    decoded = path_of(text) if "%" in text else text
    return decoded if is_percent_encoded(decoded) else text


def tsv_text(text: str) -> str:
    r"""Text as one field of a TSV line: backslash, tab and line ends become `\\`, `\t`, `\n`, `\r`."""
    return text.translate(_TSV_ESCAPES)


def quote(word: object) -> str:
    """A path or name as it is typed in a shell: in quotes if it has spaces or other special characters."""
    import shlex  # only for messages

    return shlex.quote(str(word))


def install_command(requirement: str, *, again: bool = False) -> str:
    """The command that installs a package where cnncli is installed: with pip, uv or pipx.

    Args:
        requirement: name of the package, with an extra or a version if need be.
        again: install it again although it is there.
    """
    python = Path(sys.executable)
    if (Path(sys.prefix) / "pipx_metadata.json").exists():
        program = "pipx runpip cnncli install"
    elif (Path(sys.prefix) / "uv-receipt.toml").exists() or not _has_pip():
        program = f"uv pip install --python {quote(python)}"
    elif Path(shutil.which("pip") or "").parent == python.parent:
        program = "pip install"
    else:
        program = f"{quote(python)} -m pip install"
    return f"{program}{' --force-reinstall' if again else ''} {quote(requirement)}"


def _has_pip() -> bool:
    # importlib.util also asks the finder of setuptools, which takes a search for pip as a start of pip: after it,
    # torch.compile cannot import setuptools in the same process.
    return PathFinder.find_spec("pip") is not None


def first_line(error: BaseException) -> str:
    """The first line of an exception's message, or the name of its class if it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def os_reason(error: OSError) -> str:
    """What the operating system says about a failure; pyarrow has it within a text of its own."""
    reason = error.strerror or str(error)
    number = re.search(r"\[errno (\d+)\]", reason)
    return os.strerror(int(number[1])) if number else reason


def sides_text(sides: Sequence[int]) -> str:
    """Lengths along the axes of an image: `3` for (3, 3), `3x5` for (3, 5)."""
    return str(sides[0]) if len(set(sides)) == 1 else "x".join(map(str, sides))


def shape_text(shape: Sequence[int]) -> str:
    """The shape of a tensor, channels first and then height before width: `64x56x56`."""
    return "x".join(map(str, shape))


def nfc(text: str) -> str:
    """Text in Unicode's composed form (NFC): `é` as one character, where macOS writes `e` and an accent."""
    return unicodedata.normalize("NFC", text)


def printable(text: str) -> str:
    r"""Text that is safe to print on a terminal: line ends, escape codes and invalid bytes are escaped."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "replace").decode()
        for character in path_text(text)
    )


_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Characters that move the cursor, start escape sequences, or reorder text; not tab and line feed."""


def terminal_text(data: str) -> str:
    r"""Data as it is printed on a terminal: control characters become `\u001b`, as JSON writes them."""
    return _CONTROLS.sub(lambda control: f"\\u{ord(control[0]):04x}", data)


# ---- CSV

SEPARATORS = {".csv": ",", ".tsv": "\t"}
"""The separator of a table by the ending of its file name."""


def csv_row(values: Sequence[str | int | float | None]) -> str:
    """A row of CSV, which ends with a line feed.

    The csv module quotes a lone carriage return only with its own line end, so that is replaced afterwards.
    """
    text = io.StringIO()
    csv.writer(text).writerow(values)
    return text.getvalue().removesuffix("\r\n") + "\n"


# ---- text files, as people and their programs save them

BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""The encoding of a text file by its first bytes; Windows' editors, PowerShell and Excel write them."""

_ENOUGH = 4
"""First bytes that tell the encoding of a text file."""


def encoding_of(start: bytes) -> str:
    """The encoding of a text file, by its first bytes: UTF-8 where nothing speaks for another.

    UTF-16 without a byte order mark is recognised by the zeros beside two ASCII characters.
    """
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if start.startswith(mark):
            return encoding
    zeros = [byte == 0 for byte in start[:_ENOUGH]]
    if zeros == [False, True] * 2:
        return "utf-16-le"
    return "utf-16-be" if zeros == [True, False] * 2 else "utf-8"


def text_stream(stream: BinaryIO) -> TextIO:
    """A file's text in its own encoding, with its own line ends; bytes that are not UTF-8 are lone surrogates.

    Raises:
        UnicodeDecodeError: when reading, if it is neither UTF-8 nor the UTF-16 or UTF-32 that it claims to be.
    """
    encoding = encoding_of(stream.read(_ENOUGH))
    stream.seek(0)
    errors = "surrogateescape" if encoding.startswith("utf-8") else "strict"
    return io.TextIOWrapper(stream, encoding, errors, newline="")


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401 - whatever it holds
    """The value of a JSON document.

    Raises:
        ValueError: it is not JSON, or nested too deeply.
    """
    import json

    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError(str(error)) from error


def decode_text(content: bytes, errors: str = "strict") -> str:
    r"""The text of a file, in any encoding of `encoding_of`; all line ends become `\n`.

    Args:
        content: the whole file.
        errors: as of `bytes.decode`.

    Raises:
        UnicodeDecodeError: it is not such a text.
    """
    text = content.decode(encoding_of(content), errors)
    return io.StringIO(text, newline=None).read()
