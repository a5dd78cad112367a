"""The threads that read images: more where they wait for a server than where they compute."""

import contextlib
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from cnncli.records.predictions import ImageSource
from cnncli.time_limit import give_up_on

REQUESTS = 16
"""Images that are requested from servers at the same time."""


def reading_threads(sources: Iterable[ImageSource], workers: int) -> int:
    """Threads to read images with.

    Args:
        sources: of the images.
        workers: threads where no image is on a server.
    """
    return max(workers, REQUESTS) if any(source.is_remote for source in sources) else workers


@contextlib.contextmanager
def reading_pool(threads: int, name: str) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads that read images; when the block ends, work that has not begun is cancelled, and no server is waited for.

    Args:
        threads: number of threads.
        name: prefix of their names.
    """
    interrupt = threading.Event()
    pool = ThreadPoolExecutor(threads, name, give_up_on, (interrupt,))
    try:
        yield pool
    finally:
        interrupt.set()
        pool.shutdown(wait=True, cancel_futures=True)
