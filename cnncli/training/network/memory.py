"""How a process that trains on the CPU handles the memory that each step frees and allocates again."""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""glibc's names in malloc.h: free memory at the end of the heap above which it is returned; blocks beside the heap."""
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Make glibc reuse freed memory instead of returning it to the system; returns whether that is possible.

    By default large tensors are allocated from the system and returned to it in every step, page by page: with EfficientNet-Lite0 at
    224 pixels and batches of 32 this was a third of the time of a step. Other C libraries and systems are left alone.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return bool(mallopt and mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, _NEVER))
