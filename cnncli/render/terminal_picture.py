"""Pictures in a terminal: as images where the terminal can show them, or as characters."""

import base64
import io
from collections.abc import Iterator, Mapping

import numpy as np
from PIL import Image

_RAMP = " .:-=+*#%@"
"""Characters from dark to bright."""

_CHUNK = 4096
"""Base64 characters per message of kitty's graphics protocol."""


def inline(png: bytes, environment: Mapping[str, str]) -> str | None:
    """The escape sequence that shows a PNG in the terminal; None where the terminal supports none.

    Supports the protocols of iTerm2 (iTerm2, WezTerm) and kitty (kitty, Ghostty), which the environment variables of
    these terminals identify.
    """
    if environment.get("TERM_PROGRAM") in {"iTerm.app", "WezTerm"}:
        data = base64.b64encode(png).decode("ascii")
        return f"\x1b]1337;File=inline=1;size={len(png)}:{data}\a\n"
    if "KITTY_WINDOW_ID" in environment or environment.get("TERM") in {"xterm-kitty", "xterm-ghostty"}:
        return "".join(_kitty(base64.b64encode(png).decode("ascii"))) + "\n"
    return None


def _kitty(data: str) -> Iterator[str]:
    """Messages of kitty's graphics protocol: f=100 for a PNG, a=T to show it at once, m=1 if more data follows."""
    chunks = [data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK)]
    for number, chunk in enumerate(chunks):
        more = int(number + 1 < len(chunks))
        control = f"a=T,f=100,m={more}" if number == 0 else f"m={more}"
        yield f"\x1b_G{control};{chunk}\x1b\\"


def rough(png: bytes, columns: int, *, has_colours: bool) -> str:
    """The picture as lines of characters.

    Args:
        png: the picture.
        columns: width in characters.
        has_colours: two pixels per character in 24-bit colours; else denser characters for brighter pixels.
    """
    with Image.open(io.BytesIO(png)) as picture:
        height = max(round(picture.height * columns / picture.width / 2), 1)
        if has_colours:
            small = picture.convert("RGB").resize((columns, 2 * height), Image.Resampling.BOX)
            return "".join(_blocks(np.asarray(small)))
        grey = np.asarray(picture.convert("L").resize((columns, height), Image.Resampling.BOX))
    levels = grey.astype(int) * len(_RAMP) // 256
    return "".join("".join(_RAMP[level] for level in row).rstrip() + "\n" for row in levels)


def _blocks(pixels: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]") -> Iterator[str]:
    """Half-block characters: the upper pixel is the foreground colour, the lower one the background colour."""
    for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
        for above, below in zip(upper.tolist(), lower.tolist(), strict=True):
            yield "\x1b[38;2;{};{};{}m\x1b[48;2;{};{};{}m▀".format(*above, *below)
        yield "\x1b[0m\n"
