"""Reading images from tar archives and Parquet files compared with reading files, and what an object store sends for each image.

    python -m benchmarks.tar_and_files PHOTOGRAPHS

The object store is moto's S3 server on this machine, so its requests and bytes are those of a real one, but not its times.
"""

import logging
import os
import statistics
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from moto.server import ThreadedMotoServer

from benchmarks import photographs
from benchmarks.networks import load_network
from benchmarks.results import publish, table
from benchmarks.timing import run_alternately
from cnncli import remote
from cnncli.images.sources import listed_sources, sources
from cnncli.records.predictions import ImageSource

IMAGES, ROUNDS, ROW_GROUP = 500, 5, 100
STORED = 200
"""Images in the object store."""

BUCKET = "s3://bucket"


def main() -> None:
    """Measure and write the section."""
    source = photographs.parse_arguments(__doc__)
    times = _ratios(source)
    publish(
        "tar_and_files",
        "Archives, Parquet files and object stores",
        f"The loader on {IMAGES} photographs, without a network; whole processes run alternately, medians of {ROUNDS} rounds. "
        f"Target: a tar archive takes at most 1.05 times as long as files.\n\n{times}\n\n"
        f"What S3 (moto's server) sends for {STORED} photographs, relative to their size: the work of `predict`.\n\n"
        f"{_traffic(source)}",
    )


def _ratios(source: Path) -> str:
    model = str(load_network("mobilenetv3_small_100", source).folder)
    folder = photographs.copies(source, IMAGES)
    inputs = {
        "files": folder,
        "tar": _tar(folder),
        "tar.gz": _tar(folder, ".gz"),
        f"Parquet, row groups of {ROW_GROUP}": _parquet(folder),
    }
    runs = run_alternately(
        {name: ["-m", "benchmarks.peers.cnncli_loader", model, str(path)] for name, path in inputs.items()},
        ROUNDS,
    )
    times = {name: [float(item.stdout) for item in items] for name, items in runs.items()}
    rows = [
        [
            name,
            f"{statistics.median(seconds):.2f} s",
            f"{statistics.median(one / files for one, files in zip(seconds, times['files'], strict=True)):.2f}",
        ]
        for name, seconds in times.items()
    ]
    return table(("from", "time", "relative to files"), rows)


def _tar(folder: Path, ending: str = "") -> Path:
    file = folder.with_name(f"{folder.name}.tar{ending}")
    with tarfile.open(file, "w:gz" if ending else "w") as tar:
        tar.add(folder, ".")
    return file


def _parquet(folder: Path) -> Path:
    file = folder.with_name(f"{folder.name}.parquet")
    images = [{"bytes": path.read_bytes(), "path": path.name} for path in sorted(folder.iterdir())]
    pq.write_table(pa.table({"image": images}), file, row_group_size=ROW_GROUP)
    return file


# ---- what an object store sends


def _traffic(source: Path) -> str:
    folder = photographs.copies(source, STORED)
    files = sorted(folder.iterdir())
    size = sum(file.stat().st_size for file in files)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        os.environ |= {
            "AWS_ENDPOINT_URL": "http://{}:{}".format(*server.get_host_and_port()),
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        os.environ |= {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
        fsspec.filesystem("s3").mkdir("bucket")
        for file in files:
            remote.write(f"{BUCKET}/photographs/{file.name}", file.read_bytes(), overwrite=True)
        for file in (_tar(folder), _parquet(folder)):
            remote.write(f"{BUCKET}/a{file.suffix}", file.read_bytes(), overwrite=True)
        listed = [f"{BUCKET}/a.tar/{file.name}" for file in files]
        cases: dict[str, Callable[[], Iterator[object]]] = {
            "a folder": lambda: sources([f"{BUCKET}/photographs/"]),
            "a tar archive": lambda: sources([f"{BUCKET}/a.tar"]),
            "a list of the images in a tar archive": lambda: listed_sources(listed),
            f"Parquet, row groups of {ROW_GROUP}": lambda: sources([f"{BUCKET}/a.parquet"]),
        }
        rows = [[name, *_measure(inputs, size)] for name, inputs in cases.items()]
    finally:
        server.stop()
    return table(("from", "bytes / size of the images", "reads per image"), rows)


def _measure(inputs: Callable[[], Iterator[object]], size: int) -> tuple[str, str]:
    """Bytes that are read, relative to the images' size, and reads per image; the few requests for listings are not counted."""
    received: list[int] = []
    read = remote.read

    def counted(url: str, start: int | None = None, stop: int | None = None) -> bytes:
        content = read(url, start, stop)
        received.append(len(content))
        return content

    remote.read = counted
    try:
        for image in inputs():
            if not isinstance(image, ImageSource):
                raise SystemExit(f"not readable: {image}")
            with image.open() as stream:
                stream.read()
    finally:
        remote.read = read
    return f"{sum(received) / size:.2f}", f"{len(received) / STORED:.2f}"


if __name__ == "__main__":
    main()
