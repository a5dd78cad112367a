"""What a torn file already answers for, byte by byte, and what must not be gone on with."""

import errno
import io
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncli.errors import OutputError
from cnncli.files import part_file
from cnncli.files.lock import lock
from cnncli.files.part_file import PartFile
from cnncli.images.local_file import LocalFile
from cnncli.records.predictions import Prediction, Record, Score, Unreadable
from cnncli.render.lines import LINE_RENDERERS, Format
from cnncli.render.recorded import recorded, skip_recorded
from tests.render.test_lines import records

RESUMABLE = [Format.TSV, Format.CSV, Format.JSONL]
SHOWN: list[Record] = [
    Prediction(LocalFile('a, "b".jpg'), (Score(1, "x", 0.6), Score(2, "y", 0.4))),
    Unreadable("new\nline.jpg", 'no, "really"'),
    Prediction(LocalFile("new\nline 2.jpg"), (Score(1, "x\ny", 0.6), Score(None, "unknown", 0.4))),
    Prediction(LocalFile("caf\udce9.jpg"), (Score(1, "x", 0.6), Score(2, "y", 0.4))),
]


def rendered(format_: Format, shown: list[Record]) -> bytes:
    renderer = LINE_RENDERERS[format_]()
    return (renderer.begin() + "".join(map(renderer.record, shown))).encode()


@pytest.mark.parametrize("format_", RESUMABLE)
def test_a_file_torn_at_any_byte_keeps_its_whole_records(format_: Format) -> None:
    whole = rendered(format_, SHOWN)
    ends = [len(rendered(format_, SHOWN[:count])) for count in range(len(SHOWN) + 1)]
    for cut in range(len(whole) + 1):
        found = list(recorded(io.BytesIO(whole[:cut]), format_, 2))
        expected = sum(end <= cut for end in ends[1:])
        assert len(found) == expected, cut
        assert [entry.end for entry in found] == ends[1 : expected + 1]
        assert [entry.is_unreadable for entry in found] == [
            isinstance(r, Unreadable) for r in SHOWN[:expected]
        ]


@given(st.lists(records, max_size=6), st.sampled_from(RESUMABLE), st.data())
@settings(deadline=None, max_examples=150)
def test_going_on_from_any_torn_file_gives_the_whole_one(
    shown: list[Record], format_: Format, data: st.DataObject
) -> None:
    import tempfile

    whole = rendered(format_, shown)
    cut = data.draw(st.integers(0, len(whole)))
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "out.part"
        part.write_bytes(whole[:cut])
        inputs = (record.source if isinstance(record, Prediction) else record for record in shown)
        done = skip_recorded(inputs, part, format_, 2)
        rest = list(inputs)
        assert len(rest) == len(shown) - done.records
        renderer = LINE_RENDERERS[format_]()
        head = whole[: done.end] or renderer.begin().encode()
        assert head + "".join(map(renderer.record, shown[done.records :])).encode() == whole


@pytest.mark.parametrize("now", [["a.jpg", "other.jpg"], ["a.jpg"], ["b.jpg", "a.jpg"]])
def test_other_inputs_are_refused(tmp_path: Path, now: list[str]) -> None:
    part = tmp_path / "o.part"
    part.write_bytes(rendered(Format.TSV, [Unreadable(name, "x") for name in ("a.jpg", "b.jpg")]))
    with pytest.raises(OutputError, match="cannot go on from"):
        skip_recorded(map(LocalFile, now), part, Format.TSV, 5)


def test_pauses_of_a_list_are_not_inputs(tmp_path: Path) -> None:
    part = tmp_path / "o.part"
    part.write_bytes(b"a.jpg\tx\t0.5\n")
    inputs = iter([None, LocalFile("a.jpg"), None, LocalFile("b.jpg")])
    assert skip_recorded(inputs, part, Format.TSV, 5).records == 1
    assert list(inputs) == [None, LocalFile("b.jpg")]


SETTINGS: dict[str, str | int | float | bool | None] = {"model": "resnet50", "topk": 5}


def begun(target: Path, **how: bool) -> PartFile:
    file = PartFile(target)
    file.begin(SETTINGS, resume=how.get("resume", False), overwrite=how.get("overwrite", False))
    return file


def test_a_new_file(tmp_path: Path) -> None:
    file = begun(tmp_path / "o.csv")
    with file.opened() as write:
        write(b"half")
        assert file.part.read_bytes() == b"half"
        assert not file.target.exists()
    assert file.target.read_bytes() == b"half"
    assert [path.name for path in tmp_path.iterdir()] == ["o.csv"]


def test_an_interrupt_keeps_what_was_written(tmp_path: Path) -> None:
    file = begun(tmp_path / "o.csv")
    with pytest.raises(KeyboardInterrupt), file.opened() as write:
        write(b"half")
        raise KeyboardInterrupt
    assert file.part.read_bytes() == b"half"
    with pytest.raises(OutputError, match="an earlier run did not finish") as caught:
        begun(file.target)
    assert caught.value.hint == "--resume goes on from it, --overwrite starts again"
    again = PartFile(file.target)
    assert again.begin(SETTINGS, resume=True, overwrite=False) is True
    with again.opened(keep=2) as write:
        write(b"ndsome")
    assert file.target.read_bytes() == b"handsome"


def test_what_cannot_be_resumed_does_not_offer_it(tmp_path: Path) -> None:
    (tmp_path / "o.json.part").touch()
    with pytest.raises(OutputError) as caught:
        PartFile(tmp_path / "o.json", is_resumable=False).begin(SETTINGS, resume=False, overwrite=False)
    assert caught.value.hint == "--overwrite starts again"


def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    first = begun(tmp_path / "o.csv")
    for how in ({}, {"resume": True}, {"overwrite": True}):
        with pytest.raises(OutputError, match="another run is writing"):
            begun(tmp_path / "o.csv", **how)
    first.close()
    begun(tmp_path / "o.csv", resume=True).close()


def test_an_interrupted_overwrite_can_be_resumed(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("old")
    begun(tmp_path / "o.csv", overwrite=True).close()
    begun(tmp_path / "o.csv", resume=True).close()
    assert (tmp_path / "o.csv").read_text() == "old"


def test_a_run_that_comes_as_another_ends_does_not_touch_its_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begun(tmp_path / "o.csv")

    def finished_meanwhile(stream: BinaryIO) -> None:
        if not first.target.exists():
            first.complete()
        lock(stream)

    monkeypatch.setattr(part_file, "lock", finished_meanwhile)
    with pytest.raises(OutputError, match="already exists"):
        begun(tmp_path / "o.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["o.csv"]


def test_a_file_system_that_cannot_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with begun(tmp_path / "o.csv").opened() as write:
        write(b"done")
    assert (tmp_path / "o.csv").read_bytes() == b"done"


def test_settings_that_are_none(tmp_path: Path) -> None:
    begun(tmp_path / "o.csv").close()
    (tmp_path / "o.csv.part.json").write_text("null")
    with pytest.raises(OutputError, match="cannot be read"):
        begun(tmp_path / "o.csv", resume=True)


def test_lines_of_another_program_are_refused(tmp_path: Path) -> None:
    part = tmp_path / "o.part"
    part.write_bytes(b"a.jpg\t-\t\r\n")
    with pytest.raises(OutputError, match="damaged after record 0"):
        skip_recorded(iter([LocalFile("a.jpg")]), part, Format.TSV, 5)


def test_results_are_not_overwritten_unasked(tmp_path: Path) -> None:
    target = tmp_path / "o.csv"
    target.write_text("precious")
    for resume in (False, True):
        with pytest.raises(OutputError, match="already exists"):
            begun(target, resume=resume)
    assert target.read_text() == "precious"
    file = begun(target, overwrite=True)
    assert target.read_text() == "precious"  # until the new one is complete
    with file.opened() as write:
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


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="there is no folder"):
        begun(tmp_path / "none" / "o.csv")
    with pytest.raises(OutputError, match="it is a folder"):
        begun(tmp_path)
    with pytest.raises(OutputError, match="File name too long"):
        begun(tmp_path / ("x" * 300))


def test_a_disk_that_fills_is_told_and_loses_nothing(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    file = begun(tmp_path / "o.csv")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6, hard))
    try:
        with pytest.raises(OutputError, match=r"cannot write .*: File too large"), file.opened() as write:
            write(b"done.\n")
            write(b"more\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert file.part.read_bytes() == b"done.\n"
    assert not file.target.exists()


def test_nothing_is_left_where_there_was_nothing_to_write(tmp_path: Path) -> None:
    begun(tmp_path / "o.csv").discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format_", RESUMABLE)
def test_a_file_damaged_before_its_end_is_refused(tmp_path: Path, format_: Format) -> None:
    part = tmp_path / "o.part"
    whole = rendered(format_, SHOWN)
    second = len(rendered(format_, SHOWN[:1]))
    third = len(rendered(format_, SHOWN[:2]))
    part.write_bytes(whole[:second] + b"\0" * (third - second - 1) + b"\n" + whole[third:])
    inputs = iter([record.source if isinstance(record, Prediction) else record for record in SHOWN])
    with pytest.raises(OutputError, match=f"damaged after record 1 .byte {second}.|its record 2 is of"):
        skip_recorded(inputs, part, format_, 2)
