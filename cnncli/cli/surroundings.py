"""What commands need around them: a working directory that exists, and a home folder for the caches of all libraries."""

import os
import stat
import tempfile
from collections.abc import Collection
from pathlib import Path

from cnncli.cli.console import Console
from cnncli.errors import CnncliError


def require_working_directory() -> None:
    """Raise CnncliError if the working directory was deleted: MKL, which torch loads, would end the process silently."""
    try:
        os.getcwd()  # noqa: PTH109 - pathlib's is the same
    except FileNotFoundError as error:
        raise CnncliError("the working directory no longer exists", "cd to a folder that exists") from error


def provide_home(words: Collection[str]) -> None:
    """Where there is no home folder, such as for a container's numeric user, let a temporary one stand in; warn about it.

    Args:
        words: the command line, which may ask for quiet.

    Raises:
        CnncliError: no temporary folder can be written either.
    """
    if os.name != "posix":
        return
    if not os.environ.get("HOME"):
        os.environ.pop("HOME", None)  # expanduser takes an empty one for the root folder
    if os.path.expanduser("~") != "~":  # noqa: PTH111 - pathlib's raises RuntimeError
        return
    try:
        home = _temporary_home()
    except OSError as error:
        raise CnncliError(
            f"there is no home folder, and no temporary one: {error.strerror}",
            "set HOME to a writable folder",
        ) from error
    os.environ["HOME"] = str(home)
    if not os.environ.get("CNNCLI_HOME"):
        Console(quiet=not {"-q", "--quiet"}.isdisjoint(words)).warning(
            f"there is no home folder: networks are kept in {home}; set HOME or CNNCLI_HOME to keep them elsewhere"
        )


def _temporary_home() -> Path:
    """A folder in the temporary folder that only this user can enter: always the same one, unless somebody else made it.

    Raises:
        OSError: none can be written.
    """
    home = Path(tempfile.gettempdir(), f"cnncli-{os.getuid()}")
    try:
        home.mkdir(mode=0o700)
    except FileExistsError:
        status = home.lstat()
        is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
        if not is_ours or status.st_mode & 0o077:
            return Path(tempfile.mkdtemp(prefix="cnncli-"))
    return home
