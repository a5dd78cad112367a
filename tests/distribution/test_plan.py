"""Plans: a list divided into ranges of bytes, each with a digest; nothing of it depends on how the list is read."""

import io
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnncli.distribution.plan import (
    Part,
    Plan,
    divide,
    divide_list,
    find_plan,
    is_divisible,
    save_plan,
    write_inputs,
)
from cnncli.distribution.store import LocalStore
from cnncli.errors import InputError, OutputError
from cnncli.files.part_file import Settings
from cnncli.images.local_file import LocalFile
from cnncli.images.path_list import read_list

SETTINGS: Settings = {"command": "predict", "threads": 1, "batch_size": 8, "part_size": 2}


def plan_of(source: Path, parts: tuple[Part, ...], separator: bytes = b"\n") -> Plan:
    return Plan(SETTINGS, "{}", str(source), separator, ".csv", parts)


def paths(plan: Plan, number: int, store: LocalStore) -> list[str]:
    return [item.path for item in plan.inputs(number, store) if item]


@given(
    lines=st.lists(st.binary(max_size=6).map(lambda line: line.replace(b"\n", b"").replace(b"\0", b""))),
    has_last_end=st.booleans(),
    separator=st.sampled_from([b"\n", b"\0"]),
    size=st.integers(1, 5),
    piece=st.integers(1, 20),
)
def test_the_parts_hold_every_path_once_and_in_order(
    *,
    lines: list[bytes],
    has_last_end: bool,
    separator: bytes,
    size: int,
    piece: int,
) -> None:
    content = separator.join(lines) + (separator if has_last_end else b"")
    pieces = [content[start : start + piece] for start in range(0, len(content), piece)]
    parts = list(divide(pieces, separator, size))
    assert parts == list(divide([content], separator, size))
    whole = list(read_list(io.BytesIO(content), separator=separator))
    read = [
        list(read_list(io.BytesIO(content[part.start : part.stop]), separator=separator)) for part in parts
    ]
    if (
        not content.startswith((b"\xef\xbb", b"\xff", b"\xfe")) and b"\0" not in content[:4]
    ):  # no byte order mark
        assert [path for part in read for path in part] == whole
        assert [len(part) for part in read] == [part.inputs for part in parts]
    assert all(part.inputs <= size for part in parts)


def test_a_part_whose_lines_have_changed_is_noticed_and_the_others_are_read(tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_bytes(b"a\nb\nc\nd\ne\n")
    plan = plan_of(listed, divide_list(str(listed), b"\n", 2))
    listed.write_bytes(b"a\nb\nc\nX\ne\n")
    store = LocalStore(tmp_path)
    assert paths(plan, 0, store) == ["a", "b"]
    assert paths(plan, 2, store) == ["e"]
    with pytest.raises(InputError, match=r"list.txt has changed since it was planned \(bytes 4 to 8\)"):
        paths(plan, 1, store)


def test_inputs_are_written_as_a_list(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "parts")
    names = ["a.jpg", os.fsdecode(b"\xff.jpg"), "c"]
    parts = write_inputs(map(LocalFile, names), store, b"\n", 2)
    plan = Plan(SETTINGS, "{}", None, b"\n", ".csv", parts)
    assert [paths(plan, number, store) for number in range(2)] == [names[:2], names[2:]]


@pytest.mark.parametrize("name", ["a\nb", "a\r"])
def test_a_path_with_a_line_end_is_an_error_that_names_the_way_out(tmp_path: Path, name: str) -> None:
    store = LocalStore(tmp_path / "parts")
    with pytest.raises(InputError, match="holds a line end") as caught:
        write_inputs([LocalFile(name)], store, b"\n", 2)
    assert "-print0" in (caught.value.hint or "")
    assert not store.names()
    assert write_inputs([LocalFile(name)], store, b"\0", 2)[0].inputs == 1


def test_a_list_without_line_ends_is_no_list(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(b"x" * 100_000)
    with pytest.raises(InputError, match="not a list of paths"):
        divide_list(str(tmp_path / "noise"), b"\n", 2)


def test_a_list_in_utf_16_or_in_a_pipe_is_not_read_in_ranges(tmp_path: Path) -> None:
    (tmp_path / "wide.txt").write_text("a.jpg\n", encoding="utf-16")
    assert not is_divisible(str(tmp_path / "wide.txt"))
    assert not is_divisible("-")


def test_a_plan_is_read_back(tmp_path: Path) -> None:
    plan = plan_of(tmp_path / "list", (Part(0, 4, 2, "00"), Part(4, 6, 1, "11")), b"\0")
    assert Plan.from_json(plan.to_json().encode(), "plan.json") == plan


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "is not a plan"),
        ("[]", "is not a plan"),
        ('{"schema": 1}', "is not a plan"),
        ('{"schema": 9}', "its schema number is 9"),
    ],
)
def test_a_damaged_plan_is_one_line(document: str, message: str) -> None:
    with pytest.raises(OutputError, match=message):
        Plan.from_json(document.encode(), "plan.json")


def test_of_two_processes_that_plan_at_once_the_first_wins(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "parts")
    plan = plan_of(tmp_path / "list", (Part(0, 4, 2, "00"),))
    assert save_plan(plan, store) == plan
    assert save_plan(plan, store) == plan
    other = Plan({**SETTINGS, "batch_size": 4}, "{}", plan.source, b"\n", ".csv", plan.parts)
    with pytest.raises(OutputError, match="batch_size was 8 and is now 4"):
        save_plan(other, store)
    assert find_plan(store) == plan


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(OutputError, match=r"holds other files, such as photo.jpg, and no plan.json"):
        find_plan(LocalStore(tmp_path))


def test_the_document_names_what_the_answers_depend_on(tmp_path: Path) -> None:
    document = json.loads(plan_of(tmp_path, (Part(0, 4, 2, "00"),)).to_json())
    assert document["settings"] == SETTINGS
    assert document["parts"] == [{"start": 0, "stop": 4, "inputs": 2, "sha256": "00"}]
