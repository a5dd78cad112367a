"""What a run can do without: pictures, the report, the log for TensorBoard. No training is lost to them."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from cnncli.files.whole import whole_file
from cnncli.records.progress import Progress
from cnncli.text import first_line


@contextlib.contextmanager
def warn_on_failure(name: str, progress: Progress) -> Iterator[None]:
    """Turn an exception into a warning that something was not written.

    Args:
        name: of what the block writes.
        progress: receives the warning.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - what draws and logs may raise anything
        reason = (isinstance(error, OSError) and error.strerror) or first_line(error)
        progress.warning(f"{name} was not written: {reason}")


def write_optional(file: Path, content: Callable[[], bytes], progress: Progress) -> None:
    """Write a file that a run can do without; warn if that fails, and leave no part of it.

    Args:
        file: to write.
        content: computes its content.
        progress: receives the warning.
    """
    with warn_on_failure(file.name, progress), whole_file(file, overwrite=True) as draft:
        draft.write_bytes(content())
