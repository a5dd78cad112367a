"""Names of folders and images that are valid, and distinct, on every file system: also where case does not count."""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from cnncli.records.predictions import UNKNOWN
from cnncli.text import nfc

_INVALID = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
"""Characters that some file system does not allow in names, or that separate folders."""

_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names of devices on Windows."""

_LONGEST = 120
"""Characters of a folder's name; 255 bytes are allowed."""


def folder_names(labels: Sequence[str]) -> Mapping[str, str]:
    """The name of the folder of each label, and of `UNKNOWN`; a class that is called so gets another one."""
    names: dict[str, str] = {}
    taken = {_key(UNKNOWN)}
    for label in dict.fromkeys(labels):
        name = next(name for name in _numbered(_valid(label), "") if _key(name) not in taken)
        taken.add(_key(name))
        names[label] = name
    return names


def _valid(label: str) -> str:
    """A label as the name of a folder, which no command skips: dots at its ends are dropped."""
    name = _INVALID.sub("-", nfc(label)).strip(" .")[:_LONGEST].rstrip(" .") or "-"
    return f"{name}-" if _RESERVED.fullmatch(name) else name


def _key(name: str) -> str:
    """What two names have in common that some file system takes for the same."""
    return nfc(name).casefold()


def _numbered(stem: str, suffix: str) -> Iterator[str]:
    """`a.jpg`, `a-2.jpg`, `a-3.jpg` and so on."""
    yield stem + suffix
    for number in itertools.count(2):
        yield f"{stem}-{number}{suffix}"


class TargetFolder:
    """A folder that images are put into, and the names in it."""

    def __init__(self, path: Path) -> None:
        """Read the names that are taken; the folder need not exist.

        Raises:
            OSError: it cannot be read.
        """
        self.path = path
        self._earlier = {_key(file.name): file.name for file in path.iterdir()} if path.is_dir() else {}
        self._claimed: set[str] = set()

    def claim(self, name: str, is_same: Callable[[Path], bool]) -> tuple[Path, bool]:
        """The path of an image in this folder, which no other image gets; and whether the image is there already.

        Args:
            name: of the image; where it is taken, it gets a number.
            is_same: whether an existing file is the image.
        """
        free = (
            candidate
            for candidate in _numbered(Path(name).stem, Path(name).suffix)
            if _key(candidate) not in self._claimed
        )
        for candidate in free:
            earlier = self._earlier.get(_key(candidate))
            is_there = earlier is not None and is_same(self.path / earlier)
            if earlier is None or is_there:
                break
        self._claimed.add(_key(candidate))
        return self.path / (earlier or candidate), is_there
