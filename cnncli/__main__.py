"""Entry point of `cnncli` and of `python -m cnncli`.

An interrupt ends it with 130 and without a traceback from the import of this module on, even while it starts; what comes before,
Python's own start, shows Python's own traceback. It exits as soon as its work is done.
"""

import _signal  # type: ignore[import-not-found] # `signal` itself takes a while to import
import atexit
import os
import sys
import time

INTERRUPTED = 130

_interrupts: list[int] = []
"""The signal of each interrupt: a library that is interrupted while it is imported may raise any exception, or none."""


def _exit(*_: object) -> None:
    """Exit at once: Python may not be able to shut down after an interrupt."""
    _flush()
    os._exit(INTERRUPTED)


def _exit_quickly(code: int) -> None:
    """Exit as Python does, but without clearing modules, which takes seconds after torch was imported."""
    if threading := sys.modules.get("threading"):
        threading._shutdown()  # noqa: SLF001 - waits for threads
    atexit._run_exitfuncs()  # noqa: SLF001 - there is no public name
    if _flush():
        os._exit(code)


def _flush() -> bool:
    """Flush stdout and stderr; whether that worked."""
    try:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
    except (OSError, ValueError):  # closed
        return False
    return True


def _interrupt(number: int, _: object) -> None:
    _interrupts.append(number)
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line."""
    start = time.perf_counter()
    _require_utf8()
    from cnncli.cli import app, console
    from cnncli.errors import CnncliError

    console.interrupts = _interrupts
    _handle_interrupts(_interrupt)
    try:
        app.main(start)
    except (KeyboardInterrupt, SystemExit, Exception) as problem:
        if _interrupts:
            if not isinstance(problem, SystemExit):  # before which it has been reported
                console.error(CnncliError("interrupted"))
            _exit()
        if isinstance(problem, SystemExit) and isinstance(problem.code, int):
            _exit_quickly(problem.code)
        raise
    finally:
        _handle_interrupts(_signal.SIG_DFL)  # while Python shuts down


def _handle_interrupts(handler: object) -> None:
    """Handle SIGINT, unless a parent process ignores it, as a shell does for its background processes."""
    if _signal.getsignal(_signal.SIGINT) != _signal.SIG_IGN:
        _signal.signal(_signal.SIGINT, handler)


def _require_utf8() -> None:
    """Start again in UTF-8 mode in a locale of another encoding, such as POSIX, so that names are the same everywhere."""
    if os.name == "posix" and not sys.flags.utf8_mode and sys.getfilesystemencoding() != "utf-8":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - the same program


_handle_interrupts(_exit)  # nothing has been done yet that would have to be undone

if __name__ == "__main__":
    main()
