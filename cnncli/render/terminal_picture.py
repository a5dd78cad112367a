"""A picture in a terminal: as itself where the terminal can show images, else a rough view in characters."""

import base64
import io
from collections.abc import Iterator, Mapping

import numpy as np
from PIL import Image

_RAMP = " .:-=+*#%@"
"""From dark to bright."""

_CHUNK = 4096
"""Characters of one message of kitty's protocol."""


def inline(png: bytes, environment: Mapping[str, str]) -> str | None:
    """What makes the terminal show the picture; None where it cannot.

    iTerm2's protocol (iTerm2, WezTerm) and kitty's (kitty, Ghostty), told by the variables that these terminals set.
    """
    if environment.get("TERM_PROGRAM") in {"iTerm.app", "WezTerm"}:
        data = base64.b64encode(png).decode("ascii")
        return f"\x1b]1337;File=inline=1;size={len(png)}:{data}\a\n"
    if "KITTY_WINDOW_ID" in environment or environment.get("TERM") in {"xterm-kitty", "xterm-ghostty"}:
        return "".join(_kitty(base64.b64encode(png).decode("ascii"))) + "\n"
    return None


def _kitty(data: str) -> Iterator[str]:
    """The terminal graphics protocol: f=100 is a PNG, a=T shows it at once, m=1 says that more will follow."""
    chunks = [data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK)]
    for number, chunk in enumerate(chunks):
        more = int(number + 1 < len(chunks))
        control = f"a=T,f=100,m={more}" if number == 0 else f"m={more}"
        yield f"\x1b_G{control};{chunk}\x1b\\"


def rough(png: bytes, columns: int, *, has_colours: bool) -> str:
    """The picture in characters.

    Args:
        png: the picture.
        columns: of the terminal.
        has_colours: two pixels to a character, in 24-bit colours; else brightness as denser characters.
    """
    with Image.open(io.BytesIO(png)) as picture:
        height = max(round(picture.height * columns / picture.width / 2), 1)
        if has_colours:
            small = picture.convert("RGB").resize((columns, 2 * height), Image.Resampling.BOX)
            return "".join(_blocks(np.asarray(small)))
        grey = np.asarray(picture.convert("L").resize((columns, height), Image.Resampling.BOX))
    places = grey.astype(int) * len(_RAMP) // 256
    return "".join("".join(_RAMP[place] for place in row).rstrip() + "\n" for row in places)


def _blocks(pixels: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]") -> Iterator[str]:
    """Upper halves in the colour of the letter, lower halves in that of the background."""
    for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
        for above, below in zip(upper.tolist(), lower.tolist(), strict=True):
            yield "\x1b[38;2;{};{};{}m\x1b[48;2;{};{};{}m▀".format(*above, *below)
        yield "\x1b[0m\n"
