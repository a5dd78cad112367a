"""Records of predictions as a stream that a notebook shows as a table."""

from collections import deque
from collections.abc import Generator, Iterator
from itertools import islice

from cnncli.api.notebook import records_html
from cnncli.records.predictions import Record

_SHOWN = 20
"""Images in a notebook's table."""


class Records(Iterator[Record]):
    """An iterator over records, in the order of the images. A notebook shows the next ones as a table, and takes none away."""

    def __init__(self, records: Generator[Record]) -> None:
        self._records = records
        self._seen: deque[Record] = deque()
        """Records that a notebook has shown, but nobody has taken yet."""

    def __next__(self) -> Record:
        """The next record."""
        return self._seen.popleft() if self._seen else next(self._records)

    def close(self) -> None:
        """Stop reading images."""
        self._records.close()

    def _repr_html_(self) -> str:
        self._seen.extend(islice(self._records, max(_SHOWN + 1 - len(self._seen), 0)))
        return records_html(list(islice(self._seen, _SHOWN)), has_more=len(self._seen) > _SHOWN)
