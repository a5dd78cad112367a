"""What a service counts, for Prometheus."""

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from cnncli.records.predictions import OK, UNREADABLE, Record, Unreadable

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Upper bounds of the histogram's buckets."""


class Metrics:
    """Counters of one service, apart from those of any other in the process."""

    def __init__(self, waiting: Callable[[], int]) -> None:
        """Start at 0; `waiting` returns the number of images that wait for their answer."""
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "cnncli_requests", "Answered requests.", ("path", "status"), registry=registry
        )
        self._seconds = Histogram(
            "cnncli_request_seconds",
            "Time from a request's headers to its answer.",
            ("path",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._images = Counter("cnncli_images", "Images with a record.", ("status",), registry=registry)
        gauge = Gauge("cnncli_images_waiting", "Images that wait for their record.", registry=registry)
        gauge.set_function(waiting)
        self.requests = self.images = 0

    def count_request(self, path: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        self.requests += 1
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def count_images(self, records: Sequence[Record]) -> None:
        """Count the images of an answered request."""
        unreadable = sum(isinstance(record, Unreadable) for record in records)
        self.images += len(records)
        self._images.labels(OK).inc(len(records) - unreadable)
        self._images.labels(UNREADABLE).inc(unreadable)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)
