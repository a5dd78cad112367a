"""An output file that grows, is resumed, and appears only when it is complete."""

import contextlib
import errno
import os
from pathlib import Path

import pytest

from cnncli.errors import OutputError
from cnncli.files import part_file
from cnncli.files.lock import FileLock
from cnncli.files.part_file import PartFile

SETTINGS: dict[str, str | int | float | bool | None] = {"model": "resnet50", "topk": 5}


def begun(target: Path, **options: bool) -> PartFile:
    file = PartFile(target)
    file.begin(SETTINGS, resume=options.get("resume", False), overwrite=options.get("overwrite", False))
    return file


def test_a_new_file(tmp_path: Path) -> None:
    file = begun(tmp_path / "o.csv")
    with file.open() as write:
        write(b"half")
        assert file.part.read_bytes() == b"half"
        assert not file.target.exists()
    assert file.target.read_bytes() == b"half"
    assert [path.name for path in tmp_path.iterdir()] == ["o.csv"]


def test_an_interrupt_keeps_what_was_written(tmp_path: Path) -> None:
    file = begun(tmp_path / "o.csv")
    with pytest.raises(KeyboardInterrupt), file.open() as write:
        write(b"half")
        raise KeyboardInterrupt
    assert file.part.read_bytes() == b"half"
    with pytest.raises(OutputError, match="an earlier run did not finish") as caught:
        begun(file.target)
    assert caught.value.hint == "--resume continues it, --overwrite starts again"
    again = PartFile(file.target)
    assert again.begin(SETTINGS, resume=True, overwrite=False) is True
    with again.open(keep=2) as write:
        write(b"ndsome")
    assert file.target.read_bytes() == b"handsome"


def test_formats_without_resume_do_not_offer_it(tmp_path: Path) -> None:
    (tmp_path / "o.json.part").touch()
    with pytest.raises(OutputError) as caught:
        PartFile(tmp_path / "o.json", is_resumable=False).begin(SETTINGS, resume=False, overwrite=False)
    assert caught.value.hint == "--overwrite starts again"


def test_two_runs_cannot_write_the_same_file(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    first = begun(tmp_path / "o.csv")
    for options in ({}, {"resume": True}, {"overwrite": True}):
        with pytest.raises(OutputError, match="another run is writing"):
            begun(tmp_path / "o.csv", **options)
    first.close()
    begun(tmp_path / "o.csv", resume=True).close()


def test_an_interrupted_overwrite_can_be_resumed(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("old")
    begun(tmp_path / "o.csv", overwrite=True).close()
    begun(tmp_path / "o.csv", resume=True).close()
    assert (tmp_path / "o.csv").read_text() == "old"


def test_a_run_that_starts_as_another_ends_does_not_replace_its_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begun(tmp_path / "o.csv")

    def finish_first(path: Path) -> FileLock:
        first.complete()
        return FileLock(path)

    monkeypatch.setattr(part_file, "FileLock", finish_first)
    with pytest.raises(OutputError, match="already exists"):
        begun(tmp_path / "o.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["o.csv"]


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    file = begun(tmp_path / "o.csv")
    with (
        pytest.raises(OutputError, match=r"o\.csv already exists: it appeared") as caught,
        file.open() as write,
    ):
        write(b"records")
        file.target.write_text("of somebody else")
    assert caught.value.hint == f"the complete records are in {file.part}"
    assert file.target.read_text() == "of somebody else"
    assert file.part.read_bytes() == b"records"
    with pytest.raises(OutputError, match="already exists"):
        begun(tmp_path / "o.csv", resume=True)
    assert file.part.read_bytes() == b"records"
    again = begun(tmp_path / "o.csv", resume=True, overwrite=True)
    again.complete()
    assert again.target.read_bytes() == b"records"
    assert [path.name for path in tmp_path.iterdir()] == ["o.csv"]


@pytest.mark.parametrize("ending", [".part", ".part.json", ".part.lock"])
@pytest.mark.parametrize("kind", ["link", "dangling link", "hard link", "pipe"])
def test_nothing_beside_the_output_is_written_through(tmp_path: Path, ending: str, kind: str) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("precious")
    trap = tmp_path / f"o.csv{ending}"
    if kind == "pipe":
        os.mkfifo(trap)
    elif kind == "hard link":
        trap.hardlink_to(precious)
    else:
        trap.symlink_to(precious if kind == "link" else tmp_path / "nowhere")
    with contextlib.suppress(OutputError), begun(tmp_path / "o.csv", overwrite=True).open() as write:
        write(b"records")
    assert precious.read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()
    assert (tmp_path / "o.csv").exists() == (ending == ".part.json")  # which is replaced, not written to


def test_a_file_system_that_cannot_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with begun(tmp_path / "o.csv").open() as write:
        write(b"done")
    assert (tmp_path / "o.csv").read_bytes() == b"done"


def test_invalid_settings_are_refused(tmp_path: Path) -> None:
    begun(tmp_path / "o.csv").close()
    (tmp_path / "o.csv.part.json").write_text("null")
    with pytest.raises(OutputError, match="cannot be read"):
        begun(tmp_path / "o.csv", resume=True)


def test_existing_results_are_not_overwritten(tmp_path: Path) -> None:
    target = tmp_path / "o.csv"
    target.write_text("precious")
    for resume in (False, True):
        with pytest.raises(OutputError, match="already exists"):
            begun(target, resume=resume)
    assert target.read_text() == "precious"
    file = begun(target, overwrite=True)
    assert target.read_text() == "precious"  # until the new one is complete
    with file.open() as write:
        write(b"new")
    assert target.read_text() == "new"


def test_other_settings_are_refused(tmp_path: Path) -> None:
    begun(tmp_path / "o.csv").close()
    file = PartFile(tmp_path / "o.csv")
    with pytest.raises(OutputError, match="topk was 5 and is now 1"):
        file.begin(SETTINGS | {"topk": 1}, resume=True, overwrite=False)
    file.settings.unlink()
    with pytest.raises(OutputError, match="cannot be read"):
        file.begin(SETTINGS, resume=True, overwrite=False)


def test_an_unwritable_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        begun(tmp_path / "none" / "o.csv")
    with pytest.raises(OutputError, match="it is a folder"):
        begun(tmp_path)
    with pytest.raises(OutputError, match="File name too long"):
        begun(tmp_path / ("x" * 300))


def test_a_full_disk_is_reported_and_loses_no_records(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    file = begun(tmp_path / "o.csv")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6, hard))
    try:
        with pytest.raises(OutputError, match=r"cannot write .*: File too large"), file.open() as write:
            write(b"done.\n")
            write(b"more\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert file.part.read_bytes() == b"done.\n"
    assert not file.target.exists()


def test_without_records_no_part_file_is_left(tmp_path: Path) -> None:
    begun(tmp_path / "o.csv").discard()
    assert list(tmp_path.iterdir()) == []
