"""Images in Parquet files: which column, which row, read in blocks."""

import random
from pathlib import Path

import pytest

from cnncli import remote
from cnncli.images import parquet_images
from cnncli.images.sources import ImageInput, image_source, sources
from cnncli.records.predictions import ImageSource, UnreadableError
from tests.containers import described, png, write_parquet
from tests.remote_stores import stores

IMAGES = [png("red", (1 + number, 2)) for number in range(100)]


def images(file: Path | str, column: str | None = None) -> list[ImageInput]:
    return list(sources([str(file)], image_column=column))


def content(source: ImageInput) -> bytes:
    assert isinstance(source, ImageSource)
    with source.open() as stream:
        return stream.read()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """As Hugging Face writes it, in row groups of 40 images."""
    structures = [{"bytes": image, "path": f"{number}.png"} for number, image in enumerate(IMAGES)]
    return write_parquet(
        tmp_path / "photos.parquet",
        {"image": structures, "label": range(100), "other": IMAGES},
        row_group_size=40,
    )


def test_rows_are_images(file: Path) -> None:
    found = images(file)
    assert described(found) == [f"{file}/{row}" for row in range(100)]
    assert [content(entry) for entry in found] == IMAGES
    stamp = image_source(f"{file}/17").stamp()
    assert stamp is not None
    assert stamp.size == len(IMAGES[17])


def test_the_path_alone_leads_to_the_image_again_in_any_order(file: Path) -> None:
    rows = list(range(100))
    random.Random(0).shuffle(rows)
    assert [content(image_source(f"{file}/{row}")) for row in rows] == [IMAGES[row] for row in rows]
    assert image_source(f"{file}/3") == images(file)[3]


def test_only_a_few_blocks_are_kept(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_images, "_KEPT", 2 * 16 * max(map(len, IMAGES)))
    column = parquet_images._Column(str(file), None)
    rows = [*range(100), *reversed(range(100)), *range(0, 100, 7)]
    assert [column.value(row) for row in rows] == [IMAGES[row] for row in rows]
    assert column._bytes <= parquet_images._KEPT
    assert column._bytes == sum(
        map(len, (value or b"" for block in column._kept.values() for value in block))
    )


def test_a_named_column_is_part_of_the_path_unless_it_is_the_usual_one(file: Path) -> None:
    assert described(images(file, "image"))[:1] == [f"{file}/0"]
    found = images(file, "other")
    assert described(found)[:1] == [f"{file}/other/0"]
    assert content(found[5]) == content(image_source(f"{file}/other/5")) == IMAGES[5]


def test_the_only_column_of_bytes_is_found(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "a.parquet", {"name": ["a"], "photo": [IMAGES[0]]})
    assert [content(entry) for entry in images(file)] == IMAGES[:1]


@pytest.mark.parametrize(
    ("columns", "column", "reason"),
    [
        ({"label": [1]}, None, "no column of bytes; it has 'label' (--image-column)"),
        ({"a": [b"x"], "b": [b"x"]}, None, "several columns of bytes: 'a', 'b' (--image-column)"),
        ({"a": [b"x"]}, "photo", "no column 'photo'; it has 'a'"),
        ({"a": [b"x"], "label": [1]}, "label", "its column 'label' holds int64, not the bytes of images"),
    ],
)
def test_a_file_without_the_column_is_one_reason(
    tmp_path: Path, columns: dict[str, list[object]], column: str | None, reason: str
) -> None:
    file = write_parquet(tmp_path / "a.parquet", columns)
    assert described(images(file, column)) == [f"{file}: {reason}"]


def test_damage_is_a_reason(file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    (only,) = described(images(file))
    assert only.startswith(f"{file}: not a Parquet file, or a damaged one: ")
    assert described(images(tmp_path / "none.parquet")) == [f"{tmp_path}/none.parquet: no such file"]
    file.write_bytes(bytes([*whole[:10], *(b ^ 255 for b in whole[10:3000]), *whole[3000:]]))
    with pytest.raises(UnreadableError, match="a damaged one"):
        content(image_source(f"{file}/0"))
    with pytest.raises(UnreadableError, match="no such row: the file has 100"):
        content(image_source(f"{file}/100"))


def test_a_row_without_bytes_is_a_reason(tmp_path: Path) -> None:
    rows = [{"bytes": None, "path": "elsewhere.png"}, {"bytes": IMAGES[0], "path": None}]
    found = images(write_parquet(tmp_path / "a.parquet", {"image": rows}))
    with pytest.raises(UnreadableError, match="no bytes in this row"):
        content(found[0])
    assert content(found[1]) == IMAGES[0]


def test_a_remote_file_is_read_in_few_requests(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, requests = remote.read, []

    def counted(url: str, start: int | None = None, stop: int | None = None) -> bytes:
        requests.append(url)
        return read(url, start, stop)

    monkeypatch.setattr(remote, "read", counted)
    with stores():
        remote.write("memory://bucket/photos.parquet", file.read_bytes(), overwrite=True)
        assert [content(entry) for entry in images("memory://bucket/photos.parquet")] == IMAGES
        assert len(requests) < 10


def test_without_pyarrow_one_line(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cnncli.errors import MissingPackageError

    parquet_images._open_column.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingPackageError, match="Parquet needs the package pyarrow"):
        images(file)
