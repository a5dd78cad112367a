"""Kernels, by name, by their numbers, or from a file; and numbers that stay exact."""

import os
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnncli.errors import InputError, UsageError

Numbers = NDArray[Any]
"""(H, W) or (C, H, W): floats, or fractions as objects."""

_EDGE = "-1 -1 1 1"
NAMED = {
    "high-pass": "0 -1 0; -1 4 -1; 0 -1 0",
    "sobel-x": "-1 0 1; -2 0 2; -1 0 1",
    "sobel-y": "-1 -2 -1; 0 0 0; 1 2 1",
    "laplacian": "0 1 0; 1 -4 1; 0 1 0",
    "sharpen": "0 -1 0; -1 5 -1; 0 -1 0",
    "box-blur": "1/9 1/9 1/9; 1/9 1/9 1/9; 1/9 1/9 1/9",
    "gaussian": "1/16 1/8 1/16; 1/8 1/4 1/8; 1/16 1/8 1/16",
    "emboss": "-2 -1 0; -1 1 1; 0 1 2",
    "edge-right": "; ".join([_EDGE] * 4),
    "edge-left": "; ".join(["1 1 -1 -1"] * 4),
    "edge-down": "-1 -1 -1 -1; -1 -1 -1 -1; 1 1 1 1; 1 1 1 1",
    "edge-up": "1 1 1 1; 1 1 1 1; -1 -1 -1 -1; -1 -1 -1 -1",
}
"""Kernels by the names of the field, as they are laid on the image: sobel-x answers where it gets brighter to the right."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """Weights, and what they are called.

    Attributes:
        name: as it was asked for.
        weights: (K_h, K_w) fractions.
    """

    name: str
    weights: Numbers

    @property
    def flipped(self) -> "Kernel":
        """Turned by half a circle, as a convolution does."""
        return Kernel(f"{self.name}, flipped", self.weights[::-1, ::-1])

    @property
    def is_difference(self) -> bool:
        """Whether even surfaces become zero: its weights sum up to nothing."""
        return not self.weights.sum()


def kernel(text: str) -> Kernel:
    """A kernel by name, by its numbers, or from a file that has them.

    Args:
        text: `sobel-x`; `'0 -1 0; -1 4 -1; 0 -1 0'`; a path.

    Raises:
        UsageError: it is none of these.
    """
    if text in NAMED:
        return Kernel(text, matrix(NAMED[text], f"kernel {text}"))
    if os.path.isfile(text):  # noqa: PTH113 - says no where a name is too long, too
        return Kernel(Path(text).name, read_matrix(Path(text)))
    if re.search(r"\d", text):
        return Kernel(" ".join(text.split()), matrix(text, "--kernel"))
    raise UsageError(
        f"no kernel and no file is called {text!r}",
        f"there are {', '.join(NAMED)}; or write its rows, as '0 -1 0; -1 4 -1; 0 -1 0'",
    )


_LONGEST, _LARGEST = 40, 10**30
"""Characters of a number, and its size: more is a slip, and would take ever longer."""

_NUMBER = re.compile(r"[-+]?[\d.]+(?:/\d+|e[-+]?(?P<exponent>\d+))?", re.IGNORECASE | re.ASCII)
"""How numbers are written; what else `Fraction` takes, as 1_000, is a slip."""

_FARTHEST = 99
"""Of an exponent; larger ones take long to be made exact."""


def matrix(text: str, place: str) -> Numbers:
    """(H, W) exact numbers: rows end with a line or a semicolon, numbers (`-1`, `0.25`, `1/9`) with space or a comma.

    Raises:
        UsageError: it is no matrix; the message names the place.
    """
    lines = [line.strip() for line in re.split(r"[;\n]", text)]
    rows = [re.split(r"\s*,\s*|\s+", line) for line in lines if line]
    if not rows:
        raise UsageError(f"{place}: there are no numbers")
    if len({len(row) for row in rows}) > 1:
        raise UsageError(
            f"{place}: its rows have {', '.join(str(len(row)) for row in rows)} numbers, not all the same"
        )
    numbers = np.empty((len(rows), len(rows[0])), object)
    for (row, column), _ in np.ndenumerate(numbers):
        numbers[row, column] = _number(rows[row][column], f"row {row + 1}", place)
    return numbers


def _number(word: str, row: str, place: str) -> Fraction:
    found = _NUMBER.fullmatch(word)
    if found and (len(word) > _LONGEST or int(found["exponent"] or 0) > _FARTHEST):
        raise UsageError(f"{place}: a number in {row} is too long, or too far from 1")
    try:
        number = Fraction(word if found else "no number")
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"{place}: {word!r} in {row} is no number") from None
    if abs(number) > _LARGEST:
        raise UsageError(f"{place}: a number in {row} is too large")
    return number


def read_matrix(file: Path) -> Numbers:
    """(H, W) exact numbers of a text file: CSV, or separated by spaces.

    Raises:
        InputError: it cannot be read.
        UsageError: it holds no matrix.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} cannot be read as numbers: it is no text") from error
    if ";" in text and len(text.split("\n")) > 1:
        raise InputError(
            f"{file}: semicolons and lines cannot both end its rows",
            "separate its numbers with commas or spaces",
        )
    return matrix(text, str(file))


def spelled(number: Any) -> str:  # noqa: ANN401 - a fraction or a float
    """A number exactly: as a decimal where that ends, else as a fraction; a float to two places."""
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
