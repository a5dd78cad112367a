"""Labelled data on disk, tidy and untidy."""

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from cnncli.data.layout import read
from cnncli.errors import DataError, UsageError
from cnncli.records.data import DataSet, Split
from cnncli.records.list_columns import ListColumns

Made = Callable[..., Path]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A folder with empty files of those names, which nobody opens here."""

    def make(*names: str) -> Path:
        root = tmp_path / "pets"
        for name in names:
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        return root

    return make


def message(data: DataSet) -> list[tuple[str, str, Split | None]]:
    return [(Path(sample.path).name, data.class_names[sample.label], sample.split) for sample in data.samples]


def test_a_folder_with_one_folder_per_class(made: Made) -> None:
    data = read(made("cat/b.jpg", "cat/a.png", "dog/deep/er/c.jpg", "Zebra/z.gif"))
    assert data.class_names == ("Zebra", "cat", "dog")  # as torchvision sorts them
    assert message(data) == [("z.gif", "Zebra", None), ("a.png", "cat", None), ("b.jpg", "cat", None), ("c.jpg", "dog", None)]  # fmt: skip
    assert data.name == "pets"
    assert data.remarks == ()


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Val"])
def test_a_split_folder_is_matched_by_name(made: Made, name: str) -> None:
    """`val` lacks a class and has others: indices are those of the names."""
    data = read(made("train/b/1.jpg", "train/a/2.jpg", f"{name}/b/3.jpg", "test/c/4.jpg"))
    assert data.class_names == ("a", "b", "c")
    assert message(data) == [
        ("2.jpg", "a", Split.TRAIN),
        ("1.jpg", "b", Split.TRAIN),
        ("3.jpg", "b", Split.VAL),
        ("4.jpg", "c", Split.TEST),
    ]


def test_classes_sort_as_in_torchvisions_image_folder(tmp_path: Path) -> None:
    from torchvision.datasets import ImageFolder

    for name in ("b/2.png", "b/10.png", "a/x.png", "C/y.png", "ä/z.png", "10/q.png", "9/q.png"):
        file = tmp_path / "set" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(file)
    theirs = ImageFolder(tmp_path / "set")
    ours = read(tmp_path / "set")
    assert list(ours.class_names) == theirs.classes
    assert [(sample.path, sample.label) for sample in ours.samples] == theirs.samples


def test_skipped_folders_are_reported(made: Made) -> None:
    root = made(
        "train/a/1.jpg", "train/b/2.jpg", "train/loose.jpg", "train/.cache/3.jpg", "notes/x.jpg", "readme.txt"
    )
    (root / "train" / "empty").mkdir()
    data = read(root)
    assert data.class_names == ("a", "b")
    complaints = "\n".join(data.remarks)
    assert "notes is left out: not a split" in complaints
    assert "left out: 1 image directly in" in complaints
    assert ".cache is left out: its name begins with a dot" in complaints
    assert "empty is left out: no images" in complaints


def test_class_folders_of_other_programs_are_no_classes_and_named(made: Made) -> None:
    root = made("a/1.jpg", "a/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg", "a/Thumbs.db", "b/2.jpg", "b/@eaDir/t.jpg")
    made("@eaDir/t.jpg", "__MACOSX/x.jpg", ".ipynb_checkpoints/y.jpg", "Thumbs.db")
    data = read(root)
    assert data.class_names == ("a", "b")
    assert len(data.samples) == 2
    assert f"skipped in {root}: 2 @eaDir, 1 Thumbs.db" in data.remarks
    for name in ("@eaDir", "__MACOSX", ".ipynb_checkpoints", "Thumbs.db"):
        assert f"{root / name} is left out: not images, but a by-product of another program" in data.remarks


@pytest.mark.parametrize("parent", ["", "train/"])
def test_a_link_to_nothing_in_place_of_a_class_folder_is_reported(made: Made, parent: str) -> None:
    root = made(f"{parent}a/1.jpg", f"{parent}b/2.jpg")
    (root / parent / "c").symlink_to("/nothing/c")
    assert read(root).remarks == (
        f"{root / parent / 'c'} is left out: a link to /nothing/c, which does not exist",
    )


@pytest.mark.skipif(sys.platform == "darwin", reason="there both names are one folder")
def test_names_in_different_unicode_forms_are_one_class(made: Made) -> None:
    root = made("train/caf\u00e9/1.jpg", "train/x/2.jpg", "val/cafe\u0301/3.jpg")
    data = read(root)
    assert data.class_names == ("caf\u00e9", "x")
    assert [sample.label for sample in data.samples] == [0, 1, 0]
    assert data.remarks == (
        "2 names in different Unicode forms look the same and are one class: 'caf\u00e9'",
    )
    (root / "list.csv").write_text("path,label\ntrain/x/2.jpg,cafe\u0301\n", encoding="utf-8")
    assert read(root / "list.csv").class_names == ("caf\u00e9",)


def test_a_class_may_be_called_test(made: Made) -> None:
    """Within a split, every folder is a class."""
    data = read(made("train/test/1.jpg", "train/quiz/2.jpg", "train/quiz/val/3.jpg"))
    assert data.class_names == ("quiz", "test")
    assert {sample.split for sample in data.samples} == {Split.TRAIN}


@pytest.mark.parametrize(
    ("train", "test", "split"),
    [
        ("training", "testing", Split.TEST),
        ("seg_train", "seg_test", Split.TEST),
        ("train_set", "val_set", Split.VAL),
        ("Training Images", "Validation-Images", Split.VAL),
        ("TrainSet", "TestSet", Split.TEST),
        ("training", "evaluation", Split.TEST),
        ("seg_train/seg_train", "seg_test/seg_test", Split.TEST),
    ],
)
def test_usual_names_of_splits(made: Made, train: str, test: str, split: Split) -> None:
    data = read(made(f"{train}/a/1.jpg", f"{train}/b/2.jpg", f"{test}/a/3.jpg", "__MACOSX/x/._1.jpg"))
    assert data.class_names == ("a", "b")
    assert [sample.split for sample in data.samples] == [Split.TRAIN, Split.TRAIN, split]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["lemon/1.jpg", "orange/2.jpg", "val/lemon/3.jpg"], "val may be images for validation, or a class"),
        (["lemon/1.jpg", "orange/2.jpg", "test/3.jpg"], "test may be images for testing, or a class beside"),
        (["lemon/1.jpg", "train/lemon/2.jpg", "train/orange/2.jpg"], "has the classes 'lemon' both in and"),
        (
            ["zip/lemon/1.jpg", "zip/orange/2.jpg"],
            "has only one folder, zip, with the folders 'lemon', 'orange'",
        ),
        (["zip/train/a/1.jpg", "zip/test/a/2.jpg", "__MACOSX/zip/._a"], "has only one folder, zip"),
        (
            ["first/lemon/1.jpg", "first/orange/2.jpg", "second/lemon/3.jpg", "second/orange/4.jpg"],
            "first and .*second both have the folders 'lemon', 'orange'",
        ),
        (["train/1.jpg", "test/2.jpg"], "are directly in test/ and train/, not in class folders"),
        (["train/1.jpg"], "are directly in train/, not in class folders"),
    ],
)
def test_folders_with_two_readings_are_errors(made: Made, names: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(made(*names))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("lists", "hint"),
    [
        (["train.csv"], r"give the list instead of the folder: .*train.csv, with --path-column"),
        (
            ["train/_classes.csv", "valid/_classes.csv"],
            r"_classes.csv has a column for each class: write a list",
        ),
    ],
)
def test_images_in_split_folders_beside_a_list(made: Made, lists: list[str], hint: str) -> None:
    with pytest.raises(DataError, match="not in class folders") as caught:
        read(made("train/1.jpg", "valid/2.jpg", *lists))
    assert re.match(f".*{hint}", caught.value.hint or "")


def test_classes_with_subfolders_and_empty_split_folders(made: Made) -> None:
    root = made("cat/indoor/1.jpg", "cat/2.jpg", "dog/indoor/3.jpg", "dog/outdoor/4.jpg", "cat/outdoor/5.jpg")
    (root / "val").mkdir()
    data = read(root)
    assert data.class_names == ("cat", "dog")
    assert data.remarks == (f"{root / 'val'} is left out: no images",)


def test_lists(tmp_path: Path, made: Made) -> None:
    root = made("1.jpg", "2.jpg", "3.jpg")
    labels = ['a,"quoted"', "semi;colon", "sl/ash"]
    rows = "".join(
        '{}.jpg,"{}"\n'.format(number, label.replace('"', '""')) for number, label in enumerate(labels, 1)
    )
    (tmp_path / "list.csv").write_text(f"path,label\n{rows}missing.jpg,sl/ash\n,nothing\n4.jpg,\n")
    data = read(tmp_path / "list.csv", ListColumns(root=root))
    assert data.class_names == tuple(sorted(labels))
    assert len(data.samples) == 4  # a missing file is reported when it is opened
    assert data.remarks == (
        f"{tmp_path / 'list.csv'}, entry 6 is left out: it has no path",
        f"{tmp_path / 'list.csv'}, entry 7 is left out: it has no label",
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_lists_in_the_encodings_of_windows(made: Made, encoding: str) -> None:
    root = made("ä/1.jpg", "2.jpg")
    (root / "list.csv").write_bytes("path,label\r\nä/1.jpg,Äpfel\r\n2.jpg,b\r\n".encode(encoding))
    assert message(read(root / "list.csv")) == [("2.jpg", "b", None), ("1.jpg", "Äpfel", None)]


@pytest.mark.skipif(os.sep != "/", reason="there a backslash separates folders")
def test_a_list_with_backslashes(made: Made) -> None:
    root = made("x/1.jpg", "x/y/2.jpg", "back\\slash.jpg")
    (root / "list.csv").write_text("path,label\nx\\1.jpg,a\nx\\y\\2.jpg,b\nback\\slash.jpg,c\nno\\3.jpg,d\n")
    paths = [os.path.relpath(sample.path, root) for sample in read(root / "list.csv").samples]
    assert paths == ["x/1.jpg", "x/y/2.jpg", "back\\slash.jpg", "no\\3.jpg"]


@pytest.mark.parametrize(
    ("file", "path", "hint"),
    [
        ("photos/1.jpg", "1.jpg", "add --root ROOT/photos"),
        ("my photos/1.jpg", "1.jpg", "add --root 'ROOT/my photos'"),
        (
            "photos/1.jpg",
            "photos\\2.jpg",
            "with slashes in place of backslashes, none of them exists either; --root",
        ),
        ("photos/1.jpg", "data\\photos\\1.jpg", "remove data/ from the paths"),
        ("photos/1.jpg", "C:\\data\\1.jpg", "remove C:/data/ from the paths, and add --root ROOT/photos"),
        ("photos/1.jpg", "/data/photos/1.jpg", "remove /data/ from the paths"),
        ("0a1b.jpg", "0a1b", "write the names with their endings, here 0a1b.jpg"),
        (
            "train/0a1b.png",
            "0a1b",
            "write the names with their endings, here 0a1b.png, and add --root ROOT/train",
        ),
        ("train/0a1b.png", "2c3d", "write the names of the files with their endings, such as 2c3d.jpg"),
        ("photos/1.jpg", "2.jpg", "--root names the folder that the paths are relative to"),
    ],
)
@pytest.mark.skipif(os.sep != "/", reason="there a backslash separates folders")
def test_the_hint_for_files_that_do_not_exist(made: Made, file: str, path: str, hint: str) -> None:
    root = made(file)
    (root / "list.csv").write_text(f"path,label\n{path},a\n")
    with pytest.raises(DataError, match="none of the 1 files in") as caught:
        read(root / "list.csv")
    assert str(caught.value.hint).replace(str(root), "ROOT").startswith(hint)


def test_spaces_around_labels_are_removed(made: Made) -> None:
    root = made("1.jpg", "2.jpg")
    (root / "list.csv").write_text("path,label\n1.jpg,lemon \n2.jpg, lemon\n")
    data = read(root / "list.csv")
    assert data.class_names == ("lemon",)
    assert data.remarks == (f"removed: spaces around 2 labels of {root / 'list.csv'}",)


def test_a_tsv_with_columns_of_its_own_and_splits(made: Made) -> None:
    root = made("1.jpg", "2.jpg")
    (root / "list.tsv").write_text("file\tkind\tset\n1.jpg\tx\ttrain\n2.jpg\ty\tvalidation\n")
    data = read(root / "list.tsv", ListColumns("file", ("kind",), "set"))
    assert message(data) == [("1.jpg", "x", Split.TRAIN), ("2.jpg", "y", Split.VAL)]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "has no column 'path' and no 'label'; its first line has nothing"),
        ("1.jpg,cat\n2.jpg,dog\n", "its first line has '1.jpg', 'cat'"),
        ("path,kind\n1.jpg,cat\n", "has no column 'label'"),
        ("path,label\n", "has no labelled images"),
        (
            "path,label\nno.jpg,cat\nnope.jpg,dog\n",
            "none of the 2 files in .* exists; the first is .*no.jpg",
        ),
        ('path,label\n1.jpg,cat\n2.jpg,"dog\n3.jpg,cat\n', "entry 3 is not valid CSV: unexpected end"),
        ('path,label\n1.jpg,"cat\n2.jpg,"dog\n', "entry 2 is not valid CSV: ',' expected"),
        ('path,label\n1.jpg,"cat\n2.jpg,dog"\n', r"entry 2: its label has a line end: 'cat.n2.jpg,dog'"),
        ("path,label\n1.jpg,cat,\n2,jpg,dog\n", "entry 3 has more cells than the first line"),
        ('path,label\n1.jpg, "cat"\n', 'entry 2: its label "cat" has quotation marks after a space'),
        ("path\tlabel\n1.jpg\tcat\n", "is separated by tabs"),
        ("path;label\n1.jpg;cat\n", "is separated by semicolons"),
        ("path,label,split\n1.jpg,cat,sometimes\n", "entry 2: 'sometimes' is not a split"),
    ],
)
def test_invalid_lists_are_errors(made: Made, content: str, complaint: str) -> None:
    root = made("1.jpg")
    (root / "list.csv").write_text(content)
    with pytest.raises(DataError, match=complaint):
        read(root / "list.csv")


def test_paths_that_are_not_data_sets_are_errors(tmp_path: Path, colours: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "only.jpg").touch()
    for path, complaint in [
        (tmp_path / "nowhere", "does not exist"),
        (tmp_path / "pictures" / "only.jpg", "is neither a folder nor a list"),
        (tmp_path / "pictures", "no labelled images"),
    ]:
        with pytest.raises(DataError, match=complaint):
            read(path)
    with pytest.raises(UsageError, match="is a model folder, not labelled images"):
        read(colours)


def test_two_folders_for_one_split(made: Made) -> None:
    root = made("train/a/1.jpg", "val/a/1.jpg", "validation/a/2.jpg")
    with pytest.raises(DataError, match="has two folders for validation, val and validation"):
        read(root)


@pytest.mark.skipif(sys.platform != "linux", reason="there a and A may be one folder")
def test_two_folders_for_training(made: Made) -> None:
    with pytest.raises(DataError, match="has two folders for training, Train and train"):
        read(made("train/a/1.jpg", "Train/a/2.jpg"))


def test_a_list_with_splits_for_some_images(made: Made) -> None:
    root = made("1.jpg", "2.jpg")
    (root / "list.csv").write_text("path,label,split\n1.jpg,cat,\n2.jpg,cat,val\n")
    assert message(read(root / "list.csv")) == [("1.jpg", "cat", Split.TRAIN), ("2.jpg", "cat", Split.VAL)]


def test_a_list_that_contradicts_itself(made: Made) -> None:
    root = made("1.jpg", "2.jpg")
    (root / "list.csv").write_text("path,label\n1.jpg,cat\n1.jpg,dog\n")
    with pytest.raises(DataError, match=r"lists .*1.jpg twice, as 'cat' and as 'dog'"):
        read(root / "list.csv")
    (root / "list.csv").write_text("path,label\n1.jpg,cat\n1.jpg,cat\n2.jpg,dog\n")
    data = read(root / "list.csv")
    assert len(data.samples) == 2
    assert data.remarks[0].startswith("left out: 1 line of ")


@pytest.mark.skipif(os.name != "posix", reason="links need no rights there")
def test_links_to_themselves(made: Made) -> None:
    root = made("a/1.jpg", "b/2.jpg")
    (root / "loop").symlink_to("loop")
    assert read(root).class_names == ("a", "b")


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    """Pascal VOC has one."""
    for name in ("train", "plane", "boat"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").touch()
    actual = read(tmp_path)
    assert actual.class_names == ("boat", "plane", "train")
    assert {sample.split for sample in actual.samples} == {None}
