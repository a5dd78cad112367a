"""How many threads read images: more where they wait for a server than where they compute."""

from collections.abc import Iterable

from cnncli.records.predictions import ImageSource

REQUESTS = 16
"""Images that are requested from servers at the same time."""


def reading_threads(sources: Iterable[ImageSource], workers: int) -> int:
    """Threads to read images with.

    Args:
        sources: of the images.
        workers: threads where no image is on a server.
    """
    return max(workers, REQUESTS) if any(source.is_remote for source in sources) else workers
