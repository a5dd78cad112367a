"""Tar archives and Parquet files of small images for tests."""

import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from cnncli.records.predictions import ImageSource, Unreadable


def png(colour: str, size: tuple[int, int] = (4, 4)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def write_tar(file: Path, members: Mapping[str, bytes] | Sequence[tuple[str, bytes]]) -> Path:
    """An archive of files, compressed if its name ends in gz."""
    pairs = members.items() if isinstance(members, Mapping) else members
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w:gz" if file.name.endswith("gz") else "w") as tar:
        for name, content in pairs:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file


def write_parquet(file: Path, columns: Mapping[str, Sequence[Any]], **options: Any) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(dict(columns)), file, **options)
    return file


def described(inputs: "Sequence[ImageSource | Unreadable]") -> list[str]:
    """The path of each input, with its reason if it has one."""
    return [
        entry.path if isinstance(entry, ImageSource) else f"{entry.path}: {entry.reason}" for entry in inputs
    ]
