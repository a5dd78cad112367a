"""Kernels by name, as numbers or from a file, with exact fractions as weights."""

import os
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import InputError, UsageError
from cnncli.records.choices import KERNELS
from cnncli.regular_file import read_document
from cnncli.text import decode_text, shape_text

Numbers = NDArray[Any]
"""(H, W) or (C, H, W): floats, or fractions as objects."""


@frozen_dataclass
class Kernel:
    """The weights of a convolution.

    Attributes:
        name: as the user wrote it.
        weights: (D, K_h, K_w) fractions: one part for each channel of the input, or D = 1 for all of them.
    """

    name: str
    weights: Numbers

    def flip(self) -> "Kernel":
        """The kernel rotated by 180 degrees, as a mathematical convolution uses it."""
        return Kernel(f"{self.name}, flipped", self.weights[:, ::-1, ::-1])

    @property
    def sums_to_zero(self) -> bool:
        """Whether the output is zero on areas of constant brightness."""
        return not self.weights.sum()


def parse_kernel(text: str) -> Kernel:
    """A kernel by name, from its numbers, or from a file with them.

    Args:
        text: `sobel-x`; `'0 -1 0; -1 4 -1; 0 -1 0'`; a path; or several names or matrices with `|` between them, one for
            each channel.

    Raises:
        UsageError: none of these.
    """
    if os.path.isfile(text):  # noqa: PTH113 - also False for a name that is too long
        return Kernel(Path(text).name, read_volume(Path(text)))
    parts = [_parse_part(part.strip()) for part in text.split(CHANNEL_SEPARATOR)]
    return Kernel(" ".join(text.split()), _stack(parts, "--kernel"))


def _parse_part(text: str) -> Numbers:
    """(K_h, K_w): a kernel by name or from its numbers."""
    if text in KERNELS:
        return parse_matrix(KERNELS[text], f"kernel {text}")
    if not text or re.search(r"\d", text):
        return parse_matrix(text, "--kernel")
    raise UsageError(
        f"no kernel or file is called {text!r}",
        f"known kernels: {', '.join(KERNELS)}; or write the rows, e.g. '0 -1 0; -1 4 -1; 0 -1 0'",
    )


CHANNEL_SEPARATOR = "|"
"""Between the matrices of the channels of a volume."""


def parse_volume(text: str, origin: str) -> Numbers:
    """(D, H, W) fractions: matrices as `parse_matrix` reads them, with `|` between those of the channels.

    Raises:
        UsageError: not matrices, or of different sizes.
    """
    return _stack([parse_matrix(part, origin) for part in text.split(CHANNEL_SEPARATOR)], origin)


def _stack(parts: Sequence[Numbers], origin: str) -> Numbers:
    sizes = [shape_text(part.shape) for part in parts]
    if len(set(sizes)) > 1:
        raise UsageError(f"{origin}: channels of different sizes ({', '.join(sizes)})")
    return np.stack(parts)


_MAX_DIGITS, _MAX_MAGNITUDE = 40, 10**30
"""Characters of a number, and its absolute value: more is a typing error, and would be slow."""

_NUMBER = re.compile(r"[-+]?[\d.]+(?:/\d+|e[-+]?(?P<exponent>\d+))?", re.IGNORECASE | re.ASCII)
"""Accepted numbers; `Fraction` also takes forms such as 1_000, which are typing errors here."""

_MAX_EXPONENT = 99
"""Larger exponents are slow as exact fractions."""


def parse_matrix(text: str, origin: str) -> Numbers:
    """(H, W) fractions.

    Args:
        text: rows that end with a line feed or a semicolon, of numbers (`-1`, `0.25`, `1/9`) that spaces or commas separate.
        origin: of the text, for messages.

    Raises:
        UsageError: not a matrix.
    """
    lines = [line.strip() for line in re.split(r"[;\n]", text)]
    rows = [re.split(r"\s*,\s*|\s+", line) for line in lines if line]
    if not rows:
        raise UsageError(f"{origin}: no numbers")
    if len({len(row) for row in rows}) > 1:
        lengths = ", ".join(str(len(row)) for row in rows)
        raise UsageError(f"{origin}: the rows differ in length ({lengths} numbers)")
    numbers = np.empty((len(rows), len(rows[0])), object)
    for (row, column), _ in np.ndenumerate(numbers):
        numbers[row, column] = parse_number(rows[row][column], f"{origin}: ", f" in row {row + 1}")
    return numbers


def parse_number(word: str, origin: str, place: str = "") -> Fraction:
    """`-1`, `0.25` or `1/9` as an exact fraction.

    Args:
        word: as written.
        origin: beginning of messages, such as `--bias: `.
        place: of the word, with a space before it; empty for none.

    Raises:
        UsageError: not a number, or one that is too large.
    """
    match = _NUMBER.fullmatch(word)
    if match and (len(word) > _MAX_DIGITS or int(match["exponent"] or 0) > _MAX_EXPONENT):
        raise UsageError(f"{origin}a number{place} has too many digits or too large an exponent")
    try:
        number = Fraction(word if match else "not a number")
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"{origin}{word!r}{place} is not a number") from None
    if abs(number) > _MAX_MAGNITUDE:
        raise UsageError(f"{origin}a number{place} is too large")
    return number


def read_volume(file: Path) -> Numbers:
    """(D, H, W) fractions from a text file, separated by commas or spaces, with `|` between channels.

    Raises:
        InputError: it cannot be read.
        UsageError: it does not hold matrices.
    """
    try:
        text = decode_text(read_document(file))
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} cannot be read as numbers: not a text file") from error
    if ";" in text and len(text.split("\n")) > 1:
        raise InputError(
            f"{file}: rows end with semicolons and with line feeds, which is ambiguous",
            "separate numbers with commas or spaces",
        )
    return parse_volume(text, str(file))


def number_text(number: Any) -> str:  # noqa: ANN401 - a fraction or a float
    """An exact fraction as a finite decimal if it has one, else as a fraction; a float with two decimals."""
    if not isinstance(number, Fraction):
        return f"{number:.2f}".removesuffix(".00")
    denominator = number.denominator
    for prime in (2, 5):
        while denominator % prime == 0:
            denominator //= prime
    if denominator > 1:
        return str(number)
    places = 0
    while (number * 10**places).denominator > 1:
        places += 1
    sign = "-" if number < 0 else ""
    digits = str(abs(number.numerator) * 10**places // number.denominator).rjust(places + 1, "0")
    return sign + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)
