"""Labelled images in tar archives and Parquet files: labels beside the images, in columns or in the names of folders."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cnncli import remote
from cnncli.data.layout import read
from cnncli.data.splits import read_splits, splits_table
from cnncli.errors import DataError, UsageError
from cnncli.files.csv_tables import write_tables
from cnncli.records.data import DataSet, Split
from cnncli.records.list_columns import ListColumns
from tests.containers import png, write_parquet, write_tar
from tests.remote_stores import stores

RED = png("red")


@pytest.fixture(autouse=True)
def known_stores() -> Iterator[None]:
    with stores():
        yield


def described(data: DataSet) -> list[tuple[str, str, str | None]]:
    """Path, class and split of each sample."""
    return [
        (data.relative(sample.path), data.class_names[sample.label], sample.split and str(sample.split))
        for sample in data.samples
    ]


def shard(labels: Mapping[str, object], ending: str = ".cls") -> dict[str, bytes]:
    """The members of an archive with a label beside each image."""
    return {
        name: content
        for key, label in labels.items()
        for name, content in ((f"{key}{ending}", str(label).encode()), (f"{key}.png", RED))
    }


def test_a_label_is_beside_its_image(tmp_path: Path) -> None:
    write_tar(tmp_path / "train-0.tar", shard({"0": "red", "1": " lime\n"}))
    write_tar(tmp_path / "train-1.tar", shard({"0": json.dumps({"label": "red"}), "x/1": '"lime"'}, ".json"))
    write_tar(tmp_path / "val-0.tar", shard({"0": "red"}) | {"stray.png": RED})
    data = read(f"{tmp_path}/{{train,val}}-0.tar".replace("{train,val}", "*"))
    assert (data.name, data.root) == ("data", str(tmp_path))
    assert described(data) == [
        ("train-0.tar/1.png", "lime", "train"),
        ("train-0.tar/0.png", "red", "train"),
        ("val-0.tar/0.png", "red", "val"),
    ]
    assert data.remarks == (f"left out: 1 image of {tmp_path}/*-0.tar without a label beside it",)
    data = read(f"{tmp_path}/train-{{0..1}}.tar")
    assert (data.name, len(data.samples), data.class_names) == ("train", 4, ("lime", "red"))
    assert described(data)[1] == ("train-1.tar/x/1.png", "lime", "train")


def test_a_folder_of_shards_is_a_data_set(tmp_path: Path) -> None:
    folder = tmp_path / "flowers"
    write_tar(folder / "flowers-train-0.tar", shard({"0": "red", "1": "lime"}))
    write_parquet(folder / "test-00000-of-00001.parquet", {"image": [RED], "label": ["red"]})
    (folder / "README.md").write_text("not a shard")
    assert described(read(folder)) == [
        ("flowers-train-0.tar/1.png", "lime", "train"),
        ("flowers-train-0.tar/0.png", "red", "train"),
        ("test-00000-of-00001.parquet/0", "red", "test"),
    ]
    for file in folder.iterdir():
        remote.write(f"memory://b/flowers/{file.name}", file.read_bytes(), overwrite=True)
    there = read("memory://b/flowers/")
    assert described(there) == described(read(folder))
    assert (there.name, there.root) == ("flowers", "memory://b/flowers")


def test_the_folders_in_an_archive_are_classes(tmp_path: Path) -> None:
    write_tar(
        tmp_path / "a.tar",
        {"flowers/rose/1.png": RED, "flowers/tulip/x/2.png": RED, "flowers/notes.txt": b""},
    )
    assert [row[:2] for row in described(read(tmp_path / "a.tar"))] == [
        ("a.tar/flowers/rose/1.png", "rose"),
        ("a.tar/flowers/tulip/x/2.png", "tulip"),
    ]
    write_tar(
        tmp_path / "b.tar",
        {"val/rose/1.png": RED, "train/rose/2.png": RED, "train/tulip/3.png": RED, "4.png": RED},
    )
    data = read(tmp_path / "b.tar")
    assert described(data) == [
        ("b.tar/train/rose/2.png", "rose", "train"),
        ("b.tar/train/tulip/3.png", "tulip", "train"),
        ("b.tar/val/rose/1.png", "rose", "val"),
    ]
    assert data.remarks == (f"left out: 1 image of {tmp_path}/b.tar in no class folder",)
    write_tar(tmp_path / "c.tar", {"val/rose/1.png": RED, "rose/2.png": RED})
    with pytest.raises(DataError, match=r"'val' in .* may be a split, or a class"):
        read(tmp_path / "c.tar")


def test_columns_of_parquet_files_are_labels_and_splits(tmp_path: Path) -> None:
    rows: dict[str, Sequence[Any]] = {
        "image": [{"bytes": RED, "path": None}] * 4,
        "label": [1, 0, None, 1],
        "kind": ["a", "b", "c", "d"],
        "split": ["train", "validation", "train", ""],
    }
    file = write_parquet(tmp_path / "photos.parquet", rows)
    data = read(file)
    assert described(data) == [
        ("photos.parquet/0", "1", "train"),
        ("photos.parquet/3", "1", "train"),
        ("photos.parquet/1", "0", "val"),
    ]
    assert data.remarks == (f"left out: 1 row of {file} without a label",)
    assert read(file, ListColumns(labels=("kind",))).class_names == ("a", "b", "c", "d")


def test_large_row_groups_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnncli.images.parquet_file._LARGE", 10)
    file = write_parquet(tmp_path / "a.parquet", {"image": [RED], "label": ["red"]})
    assert read(file).remarks[0].startswith(f"{file} has large row groups, which makes training slow")


def test_hugging_face_names_the_classes(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    features = {"label": {"names": ["rose", "tulip"], "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pa.table({"image": [RED, RED], "label": [1, 0]})
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "a.parquet")
    assert [row[1] for row in described(read(tmp_path / "a.parquet"))] == ["rose", "tulip"]


def test_a_parquet_file_without_images_is_a_list(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(RED)
    remote.write("memory://b/c.png", RED, overwrite=True)
    file = write_parquet(
        tmp_path / "list.parquet", {"path": ["a.png", "memory://b/c.png"], "label": ["x", "y"]}
    )
    data = read(file)
    assert described(data) == [("a.png", "x", None), ("memory://b/c.png", "y", None)]
    assert all(sample.source.stamp() for sample in data.samples)


@pytest.mark.parametrize(
    "kind", ["tar", "parquet", "remote tar", "remote folder", "remote list", "local list of URLs"]
)
def test_a_table_of_splits_leads_to_the_images_again(tmp_path: Path, kind: str) -> None:
    data = read(written(tmp_path, kind))
    assert [row[1] for row in described(data)] == ["lime", "red"]
    samples = [sample.source.open().read() for sample in data.samples]
    assert samples == [png("lime"), RED]
    whole = dataclasses.replace(
        data, samples=tuple(dataclasses.replace(sample, split=Split.TRAIN) for sample in data.samples)
    )
    write_tables(tmp_path, [splits_table(whole)])
    again = read_splits(tmp_path, data.root, data.class_names, data.name)
    assert again.samples == whole.samples
    assert [sample.source.open().read() for sample in again.samples] == samples
    assert [row[3] for row in splits_table(whole).rows] == [len(png("lime")), len(RED)]


def written(folder: Path, kind: str) -> str:
    """A red and a green image with their labels."""
    images = {"a.png": RED, "b.png": png("lime")}
    labels = {"a.png": "red", "b.png": "lime"}
    match kind:
        case "tar" | "remote tar":
            file = write_tar(
                folder / "x.tar", {f"{labels[name]}/{name}": image for name, image in images.items()}
            )
        case "parquet":
            file = write_parquet(
                folder / "x.parquet", {"image": list(images.values()), "label": list(labels.values())}
            )
    if kind in {"tar", "parquet"}:
        return str(file)
    if kind == "remote tar":
        remote.write("memory://b/x.tar", file.read_bytes(), overwrite=True)
        return "memory://b/x.tar"
    for name, image in images.items():
        remote.write(f"memory://b/data/{labels[name]}/{name}", image, overwrite=True)
    rows = "".join(f"{label}/{name},{label}\n" for name, label in labels.items())
    if kind == "local list of URLs":
        rows = rows.replace("red/a", "memory://b/data/red/a").replace("lime/b", "memory://b/data/lime/b")
        (folder / "list.csv").write_text(f"path,label\n{rows}")
        return f"{folder}/list.csv"
    remote.write("memory://b/data/list.csv", f"path,label\n{rows}".encode(), overwrite=True)
    return "memory://b/data/list.csv" if kind == "remote list" else "memory://b/data/"


def test_what_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    def message(data: object, columns: ListColumns | None = None) -> str:
        with pytest.raises((DataError, UsageError)) as caught:
            read(str(data), columns)
        assert "\n" not in caught.value.message
        return caught.value.message

    compressed = write_tar(tmp_path / "x.tar.gz", shard({"0": "red"}))
    assert message(compressed) == f"{compressed} is compressed, so its images cannot be read in any order"
    assert message(f"{tmp_path}/none-*.tar") == f"no file matches {tmp_path}/none-*.tar"
    assert message(f"{tmp_path}/none.tar") == f"cannot read {tmp_path}/none.tar: no such file"
    flat = write_tar(tmp_path / "flat.tar", {"a.png": RED})
    assert message(flat) == f"no labelled images in {flat}"
    table = write_parquet(tmp_path / "a.parquet", {"image": [RED], "kind": ["x"]})
    assert message(table) == f"cannot read {table}: no column 'label'; it has 'image', 'kind'"
    assert message(table, ListColumns(labels=("kind",), image="photo")).endswith(
        "no column 'photo'; it has 'image', 'kind'"
    )
    broken = write_tar(tmp_path / "broken.tar", {"a.png": RED, "a.json": b"{"})
    assert message(broken).startswith(f"{broken}/a.json is damaged: ")
    (tmp_path / "a.csv").write_text("path,label\n")
    assert "a.csv, which is no archive" in message(f"{tmp_path}/*")
    assert message("memory://b/none/") == "cannot read the folder memory://b/none: no such file"
    assert message("nowhere://b/") == "nowhere://b/: no file system has the scheme nowhere://"


def test_a_truncated_archive_gives_the_images_before_the_cut(tmp_path: Path) -> None:
    file = write_tar(tmp_path / "x.tar", shard({"0": "red", "1": "lime", "2": "red"}))
    file.write_bytes(file.read_bytes()[:4200])
    data = read(file)
    assert [row[:2] for row in described(data)] == [("x.tar/1.png", "lime"), ("x.tar/0.png", "red")]
    assert data.remarks == (f"{file} is left out from image 3 on: truncated",)
