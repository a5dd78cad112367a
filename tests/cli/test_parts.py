"""Outputs in parts: whoever computes them, in whatever order, the joined file is that of a single run."""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnncli import remote
from cnncli.distribution import store
from cnncli.errors import OutputError
from cnncli.files.whole import write_whole
from tests.conftest import Cnncli
from tests.remote_stores import stores

PARTS = 4
"""Of the images below, three at a time."""


@pytest.fixture(autouse=True)
def default_model(colours: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CNNCLI_MODEL", str(colours))
    monkeypatch.setattr(remote, "PAUSES", (0, 0, 0, 0))
    with stores():
        yield


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Eleven images of random colours, of which the fifth cannot be read."""
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(11):
        Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)).save(folder / f"{number:02d}.png")
    (folder / "04.png").write_bytes(b"nothing")
    return folder


def parts_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.glob("part-*")}


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_joined_parts_are_the_file_of_a_single_run(
    cnncli: Cnncli, images: Path, tmp_path: Path, ending: str
) -> None:
    parts, joined, single = tmp_path / "parts", tmp_path / f"joined.{ending}", tmp_path / f"single.{ending}"
    result = cnncli("predict", images, "--parts", parts, "--part-size", "3", "-f", ending)
    assert result.exit_code == 3, result.output
    assert result.stderr.splitlines() == [
        f"{parts}: 11 records, 1 could not be read; 4 of 4 parts done",
        f"cnncli join {parts} -o FILE.{ending} puts them together",
    ]
    assert sorted(parts_of(parts)) == [f"part-0000{number}.{ending}" for number in range(PARTS)]
    assert (parts / "_SUCCESS").exists()
    assert cnncli("join", parts, "-o", joined).stderr == f"{joined}: 11 records\n"
    cnncli("predict", images, "-o", single)
    if ending == "parquet":
        pq = pytest.importorskip("pyarrow.parquet")
        assert pq.read_table(joined).equals(pq.read_table(single))
    else:
        assert joined.read_bytes() == single.read_bytes()


def test_shares_in_any_order_are_the_parts_of_one_process(
    cnncli: Cnncli, images: Path, tmp_path: Path
) -> None:
    one, many = tmp_path / "one", tmp_path / "many"
    cnncli("predict", images, "--parts", one, "--part-size", "3")
    for index in (2, 0, 1):
        result = cnncli("predict", images, "--parts", many, "--part-size", "3", "--part", f"{index}/3")
        assert result.exit_code in {0, 3}
    assert parts_of(many) == parts_of(one)
    assert (many / "plan.json").read_bytes() == (one / "plan.json").read_bytes()
    assert (many / "_SUCCESS").exists()


def test_resume_computes_only_what_is_missing(cnncli: Cnncli, images: Path, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    command = ("predict", images, "--parts", parts, "--part-size", "3")
    cnncli(*command)
    complete = parts_of(parts)
    assert cnncli(*command).stderr.splitlines() == [
        f"error: {parts} already has a plan",
        "hint: --resume computes the parts that are missing",
    ]
    assert cnncli(*command, "--resume").stderr == f"{parts} is already complete; skipped\n"
    (parts / "part-00003.csv").unlink()
    (parts / "_SUCCESS").unlink()
    result = cnncli("predict", images, "--parts", parts, "--resume")  # the part size is that of the plan
    assert result.exit_code == 0
    assert f"{parts}: 2 records; 4 of 4 parts done" in result.stderr
    assert parts_of(parts) == complete


@pytest.mark.parametrize("is_complete", [False, True])
def test_resume_refuses_other_settings(
    cnncli: Cnncli, images: Path, tmp_path: Path, *, is_complete: bool
) -> None:
    parts = tmp_path / "parts"
    cnncli("predict", images, "--parts", parts, "--part-size", "3", *([] if is_complete else ["--plan-only"]))
    for options, change in (
        (["-k", "1"], "topk was 3 and is now 1"),
        (["-b", "2"], "batch_size was 8 and is now 2"),
        (["-f", "jsonl"], "format was csv and is now jsonl"),
        (["--part-size", "4"], "part_size was 3 and is now 4"),
    ):
        result = cnncli("predict", images, "--parts", parts, "--resume", *options)
        assert (result.exit_code, change in result.stderr) == (1, True), result.stderr
    result = cnncli("predict", images / "00.png", "--parts", parts, "--resume")
    assert f"inputs was {images} and is now {images}/00.png" in result.stderr


def test_threads_are_part_of_the_plan(cnncli: Cnncli, images: Path, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    cnncli("predict", images, "--parts", parts, "--worker-cpus", "1", "--plan-only")
    assert json.loads((parts / "plan.json").read_bytes())["settings"]["threads"] == 1
    result = cnncli("predict", images, "--parts", parts, "--worker-cpus", "2", "--resume")
    assert "threads was 1 and is now 2" in result.stderr
    assert cnncli("predict", images, "--parts", parts, "--resume").exit_code == 3


def test_a_plan_alone_computes_nothing(cnncli: Cnncli, images: Path, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    command = ("predict", images, "--parts", parts, "--part-size", "3")
    assert cnncli(*command, "--plan-only").stderr == f"{parts}: planned 4 parts of 11 images\n"
    assert {file.name for file in parts.iterdir()} == {"plan.json", "inputs.txt"}
    assert cnncli("join", parts, "--status").stdout == "0 of 4 parts, 11 images to do\n"


def test_parts_and_list_in_an_object_store(cnncli: Cnncli, images: Path, tmp_path: Path) -> None:
    listed = "\n".join(map(str, sorted(images.iterdir())))
    (tmp_path / "list.txt").write_text(listed)
    place = "unreliable://bucket/parts"
    result = cnncli("predict", "--files-from", tmp_path / "list.txt", "--parts", place, "--part-size", "3")
    assert f"{place}: 11 records, 1 could not be read; 4 of 4 parts done" in result.stderr
    assert not remote.exists(f"{place}/inputs.txt")  # the list is read where it is
    assert cnncli("join", place, "-o", tmp_path / "joined.csv").exit_code == 0
    cnncli("predict", images, "-o", tmp_path / "single.csv")
    assert (tmp_path / "joined.csv").read_bytes() == (tmp_path / "single.csv").read_bytes()


@pytest.mark.parametrize("name", ["images.tar", "images.tar.gz", "list.csv"])
def test_archives_and_tables_are_divided_too(
    cnncli: Cnncli, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(images)
    if name.endswith(".csv"):
        rows = "".join(f"{file.name},{number}\n" for number, file in enumerate(sorted(images.iterdir())))
        Path(name).write_text(f"file,number\n{rows}")
        inputs = ["--files-from", name, "--path-column", "file"]
    else:
        with tarfile.open(name, "w:gz" if name.endswith("gz") else "w") as archive:
            for file in sorted(images.glob("*.png")):
                archive.add(file, file.name)
        inputs = [name]
    cnncli("predict", *inputs, "--parts", tmp_path / "parts", "--part-size", "3")
    assert cnncli("join", tmp_path / "parts", "-o", tmp_path / "joined.csv").stderr.endswith(": 11 records\n")
    cnncli("predict", *inputs, "-o", tmp_path / "single.csv")
    assert (tmp_path / "joined.csv").read_bytes() == (tmp_path / "single.csv").read_bytes()


def test_parts_name_what_an_archive_holds_that_is_not_read(
    cnncli: Cnncli, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with tarfile.open("odd.tar", "w") as archive:
        for name in ("a.png", "/b.png", "../c.png", "a.png", "d.png"):
            member = archive.gettarinfo(images / "00.png")
            member.name = name
            archive.addfile(member, io.BytesIO((images / "00.png").read_bytes()))
    Path("cut.tar").write_bytes(Path("odd.tar").read_bytes()[:3000])
    result = cnncli("predict", "odd.tar", "cut.tar", "--parts", "parts", "--part-size", "2")
    assert (result.exit_code, "7 records, 4 could not be read" in result.stderr) == (3, True), result.stderr
    cnncli("join", "parts", "-o", "joined.csv")
    cnncli("predict", "odd.tar", "cut.tar", "-o", "single.csv")
    assert Path("joined.csv").read_bytes() == Path("single.csv").read_bytes()


@pytest.mark.parametrize("place", ["memory://nowhere/", "memory://nowhere/*.tar", "hanging://bucket/"])
def test_a_folder_that_cannot_be_listed_is_not_planned(
    cnncli: Cnncli, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(remote, "LISTING_SECONDS", 0.2)
    result = cnncli("predict", images, place, "--parts", tmp_path / "parts")
    assert (result.exit_code, f"error: cannot list {place}: " in result.stderr) == (1, True), result.stderr
    assert not list((tmp_path / "parts").glob("*"))


def test_a_list_on_standard_input_is_kept(cnncli: Cnncli, images: Path, tmp_path: Path) -> None:
    listed = b"".join(f"{file}\0".encode() for file in sorted(images.iterdir()))
    parts = tmp_path / "parts"
    command = ("predict", "--files-from", "-", "-0", "--parts", parts, "--part-size", "3")
    assert cnncli(*command, stdin=listed).exit_code == 3
    assert (parts / "inputs.txt").read_bytes() == listed
    (parts / "part-00000.csv").unlink()
    assert cnncli(*command, "--resume").exit_code == 0  # standard input is not needed again


def test_a_part_whose_list_has_changed_fails_and_the_others_are_computed(
    cnncli: Cnncli, images: Path, tmp_path: Path
) -> None:
    listed, parts = tmp_path / "list.txt", tmp_path / "parts"
    listed.write_text("\n".join(map(str, sorted(images.iterdir()))))
    command = ("predict", "--files-from", listed, "--parts", parts, "--part-size", "3")
    cnncli(*command, "--plan-only")
    listed.write_text(listed.read_text().replace("07.png", "7x.png"))
    result = cnncli(*command, "--resume")
    assert result.exit_code == 4
    assert f"warning: part 2: {listed} has changed since it was planned" in result.stderr
    assert ": restore it, or plan again in another folder\n" in result.stderr
    assert sorted(parts_of(parts)) == ["part-00000.csv", "part-00001.csv", "part-00003.csv"]
    assert not (parts / "_SUCCESS").exists()
    assert "missing: 2" in cnncli("join", parts, "--status").stdout


def test_join_names_what_is_missing_and_what_has_changed(
    cnncli: Cnncli, images: Path, tmp_path: Path
) -> None:
    parts, output = tmp_path / "parts", tmp_path / "answers.csv"
    cnncli("predict", images, "--parts", parts, "--part-size", "2")
    status = cnncli("join", parts, "--status").stdout
    assert status.startswith("6 of 6 parts, 11 of 11 images, 1 could not be read, ")
    (parts / "part-00002.csv").write_bytes(b"")
    assert "part-00002.csv has changed since it was computed" in cnncli("join", parts, "-o", output).stderr
    for number in (1, 2, 3, 5):
        (parts / f"part-0000{number}.csv").unlink()
    result = cnncli("join", parts, "-o", output)
    assert result.exit_code == 1
    assert f"error: 4 parts of 6 missing in {parts}: 1 to 3, 5\n" in result.stderr
    assert not output.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "x.png", "--part-size", "3"], "--part-size has no effect without --parts"),
        (["predict", "x.png", "--part", "0/2"], "--part has no effect without --parts"),
        (["predict", "x.png", "--plan-only"], "--plan-only has no effect without --parts"),
        (["predict", "x.png", "--parts", "p", "--part", "2/2"], "--part 2/2 is no share of the parts"),
        (["predict", "x.png", "--parts", "p", "--part", "1"], "--part 1 is no share of the parts"),
        (["predict", "x.png", "--parts", "p", "-o", "a.csv"], "--output does not work with --parts"),
        (["predict", "x.png", "--parts", "p", "--sheet", "a.png"], "--sheet does not work with --parts"),
        (["predict", "x.png", "--parts", "p", "--overwrite"], "--overwrite does not work with --parts"),
        (["predict", "x.png", "--parts", "p", "-f", "json"], "json files cannot be joined"),
        (["predict", "x.png", "--parts", "p", "-f", "table"], "table files cannot be joined"),
        (["predict", "x.png", "--on", "ray"], "--on has no effect without --parts"),
        (
            ["predict", "x.png", "--parts", "p", "--worker-gpus", "1"],
            "--worker-gpus has no effect without --on",
        ),
        (["predict", "x.png", "--parts", "p", "--on", "dask"], "--on dask is not known"),
        (["predict", "-", "--parts", "p"], "an image on standard input cannot be read again"),
        (["predict", "x.png", "--parts", "nowhere://p"], "no file system has the scheme nowhere://"),
        (["join", "p"], "give either -o FILE or --status"),
        (["join", "p", "--status", "-o", "a.csv"], "give either -o FILE or --status"),
    ],
)
def test_usage_errors(cnncli: Cnncli, arguments: list[str], message: str) -> None:
    result = cnncli(*arguments)
    assert (result.exit_code, message in result.stderr) == (2, True), result.stderr


def test_join_refuses_other_formats_and_other_folders(cnncli: Cnncli, images: Path, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    cnncli("predict", images, "--parts", parts)
    result = cnncli("join", parts, "-o", tmp_path / "answers.jsonl")
    assert (result.exit_code, "the parts are .csv files" in result.stderr) == (2, True)
    assert "holds other files" in cnncli("join", images, "-o", tmp_path / "a.csv").stderr
    assert "has no plan.json" in cnncli("join", tmp_path / "nothing", "--status").stderr
    (tmp_path / "a.csv").touch()
    assert "already exists" in cnncli("join", parts, "-o", tmp_path / "a.csv").stderr


def test_an_empty_folder_has_no_parts(cnncli: Cnncli, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = cnncli("predict", tmp_path / "empty", "--parts", tmp_path / "parts")
    assert (result.exit_code, "no images in" in result.stderr) == (1, True)


def test_a_full_disk_keeps_finished_parts(
    cnncli: Cnncli, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = tmp_path / "parts"

    def full(file: Path, content: bytes, *, overwrite: bool) -> None:
        if file.name == "part-00001.csv":
            raise OutputError(f"cannot write {file}: No space left on device")
        write_whole(file, content, overwrite=overwrite)

    monkeypatch.setattr(store, "write_whole", full)
    result = cnncli("predict", images, "--parts", parts, "--part-size", "3")
    assert result.exit_code == 1
    assert (
        result.stderr.splitlines()[-1]
        == f"hint: finished parts are kept in {parts}; --resume computes the others"
    )
    assert sorted(parts_of(parts)) == ["part-00000.csv"]
    monkeypatch.setattr(store, "write_whole", write_whole)
    assert cnncli("predict", images, "--parts", parts, "--resume").exit_code == 3
    assert json.loads((parts / "stats-00001.json").read_bytes())["unreadable"] == 1
