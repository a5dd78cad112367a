"""Plans: read back as they were written, made by one process only, and never of something else."""

import json
from pathlib import Path

import pytest

from cnncli.distribution.input_list import Part
from cnncli.distribution.plan import Plan, find_plan, save_plan
from cnncli.distribution.store import Store
from cnncli.errors import OutputError
from cnncli.files.part_file import Settings

SETTINGS: Settings = {"command": "predict", "threads": 1, "batch_size": 8, "part_size": 2}


def plan_of(source: Path, parts: tuple[Part, ...], separator: bytes = b"\n") -> Plan:
    return Plan(SETTINGS, "{}", str(source), separator, ".csv", parts)


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
    store = Store(str(tmp_path / "parts"))
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
        find_plan(Store(str(tmp_path)))


def test_the_document_names_what_the_answers_depend_on(tmp_path: Path) -> None:
    document = json.loads(plan_of(tmp_path, (Part(0, 4, 2, "00"),)).to_json())
    assert document["settings"] == SETTINGS
    assert document["parts"] == [{"start": 0, "stop": 4, "inputs": 2, "sha256": "00"}]
