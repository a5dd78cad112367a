"""Formats to the letter of the contract, and a way back from each."""

import csv
import dataclasses
import io
import json
import os
import urllib.parse
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnncli.images.local_file import LocalFile
from cnncli.records.predictions import Exif, Prediction, Record, RecordLayout, Score, TaskScores, Unreadable
from cnncli.records.tasks import AnswerKind, Task
from cnncli.render.formats import Format, open_writer
from cnncli.render.lines import CSV_HEADER, Csv, Json, JsonLines, Tsv
from cnncli.text import path_text, printable, terminal_text, tsv_text

CAT = Prediction(LocalFile("a.jpg"), (Score(3, "cat", 0.75), Score(1, "dog", 0.25)))
UNSURE = Prediction(LocalFile("b.jpg"), (Score(None, "unknown", 0.4), Score(None, "unknown", 0.3)))
BROKEN = Unreadable("c.jpg", "no such file")

names = st.binary(min_size=1, max_size=30).filter(lambda name: b"\0" not in name).map(os.fsdecode)
scores = st.lists(
    st.builds(Score, st.integers(0, 999), st.text(min_size=1), st.floats(0, 1)), min_size=2, max_size=2
).map(tuple)
records = st.one_of(
    st.builds(Prediction, st.builds(LocalFile, names), scores),
    st.builds(Unreadable, names, st.text(min_size=1)),
)

PLAIN = RecordLayout(["cat", "dog"], (), 2)
"""The layout of a network without tasks."""

SEVERAL = RecordLayout(["cat", "dog"], (Task("pets", ("cat", "dog"), AnswerKind.SEVERAL, (0.5, 0.5)),), None)
"""The layout of a network with one task, of which several classes can be right."""

BOTH = RecordLayout(
    ["cat", "dog", "day", "night"], (*SEVERAL.tasks, Task("light", ("day", "night"), AnswerKind.ONE)), None
)
"""The layout of a network with two tasks."""

NEITHER = Prediction(LocalFile("n.jpg"), ())
CAT_BY_DAY = Prediction(
    LocalFile("a.jpg"), (), (TaskScores("pets", CAT.scores), TaskScores("light", (Score(0, "day", 0.9),)))
)
NOTHING_BY_NIGHT = Prediction(
    LocalFile("n.jpg"), (), (TaskScores("pets", ()), TaskScores("light", (Score(1, "night", 0.8),)))
)
labels = st.lists(
    st.builds(Score, st.integers(0, 999), st.text(min_size=1), st.floats(0, 1)), max_size=3
).map(tuple)
several_records: st.SearchStrategy[Record] = st.one_of(
    st.builds(Prediction, st.builds(LocalFile, names), labels),
    st.builds(Unreadable, names, st.text(min_size=1)),
)
both_records: st.SearchStrategy[Record] = st.one_of(
    st.builds(
        Prediction,
        st.builds(LocalFile, names),
        st.just(()),
        st.tuples(
            st.builds(TaskScores, st.just("pets"), labels), st.builds(TaskScores, st.just("light"), scores)
        ),
    ),
    st.builds(Unreadable, names, st.text(min_size=1)),
)


def test_tsv() -> None:
    assert [Tsv().record(record) for record in (CAT, UNSURE, BROKEN)] == [
        "a.jpg\tcat\t0.750000\n",
        "b.jpg\tunknown\t0.400000\n",
        "c.jpg\t-\t\n",
    ]


def test_tsv_of_several_labels() -> None:
    assert [Tsv(SEVERAL.tasks).record(record) for record in (CAT, NEITHER, BROKEN)] == [
        "a.jpg\tcat|dog\t0.750000|0.250000\n",
        "n.jpg\t\t\n",
        "c.jpg\t-\t\n",
    ]


def test_tsv_of_several_tasks() -> None:
    assert [Tsv(BOTH.tasks).record(record) for record in (CAT_BY_DAY, NOTHING_BY_NIGHT, BROKEN)] == [
        "a.jpg\tcat|dog\t0.750000|0.250000\tday\t0.900000\n",
        "n.jpg\t\t\tnight\t0.800000\n",
        "c.jpg\t-\t\t-\t\n",
    ]


def test_csv() -> None:
    text = Csv().begin() + "".join(Csv().record(record) for record in (CAT, UNSURE, BROKEN))
    assert text.splitlines() == [
        "path,status,rank,index,label,probability,reason",
        "a.jpg,ok,1,3,cat,0.750000,",
        "a.jpg,ok,2,1,dog,0.250000,",
        "b.jpg,ok,1,,unknown,0.400000,",
        "b.jpg,ok,2,,unknown,0.300000,",
        "c.jpg,unreadable,,,,,no such file",
    ]
    assert "\r" not in text


def test_csv_of_several_labels() -> None:
    csv_ = Csv(SEVERAL.tasks)
    assert csv_.begin() == Csv().begin()
    assert csv_.record(CAT) == Csv().record(CAT)
    assert csv_.record(NEITHER) == "n.jpg,ok,0,,,,\n"


def test_csv_of_several_tasks() -> None:
    csv_ = Csv(BOTH.tasks)
    shown: list[Record] = [CAT_BY_DAY, NOTHING_BY_NIGHT, BROKEN]
    text = csv_.begin() + "".join(map(csv_.record, shown))
    assert text.splitlines() == [
        "path,status,task,rank,index,label,probability,reason",
        "a.jpg,ok,pets,1,3,cat,0.750000,",
        "a.jpg,ok,pets,2,1,dog,0.250000,",
        "a.jpg,ok,light,1,0,day,0.900000,",
        "n.jpg,ok,pets,0,,,,",
        "n.jpg,ok,light,1,1,night,0.800000,",
        "c.jpg,unreadable,,,,,,no such file",
    ]


def test_jsonl_of_tasks() -> None:
    assert json.loads(JsonLines().record(NEITHER))["predictions"] == []
    document = json.loads(JsonLines().record(NOTHING_BY_NIGHT))
    night = {"rank": 1, "index": 1, "label": "night", "probability": 0.8}
    assert document == {"path": "n.jpg", "status": "ok", "tasks": {"pets": [], "light": [night]}}


def test_jsonl() -> None:
    assert json.loads(JsonLines().record(CAT)) == {
        "path": "a.jpg",
        "status": "ok",
        "predictions": [
            {"rank": 1, "index": 3, "label": "cat", "probability": 0.75},
            {"rank": 2, "index": 1, "label": "dog", "probability": 0.25},
        ],
    }
    assert json.loads(JsonLines().record(UNSURE))["predictions"][0] == {
        "rank": 1,
        "index": None,
        "label": "unknown",
        "probability": 0.4,
    }
    assert json.loads(JsonLines().record(BROKEN)) == {
        "path": "c.jpg",
        "status": "unreadable",
        "reason": "no such file",
    }


@pytest.mark.parametrize("shown", [[], [CAT], [CAT, UNSURE, BROKEN]])
def test_json_is_always_a_list(shown: list[Record]) -> None:
    renderer = Json()
    text = renderer.begin() + "".join(map(renderer.record, shown)) + renderer.end()
    assert json.loads(text) == [json.loads(JsonLines().record(record)) for record in shown]


def bytes_of(document: dict[str, str]) -> bytes:
    if document.get("path_encoding") == "percent":
        return urllib.parse.unquote_to_bytes(document["path"])
    return document["path"].encode()


@given(records)
def test_the_bytes_of_a_path_can_be_restored_from_json(record: Record) -> None:
    line = JsonLines().record(record)
    assert line.count("\n") == 1
    document = json.loads(line.encode())  # valid UTF-8, whatever the name
    assert bytes_of(document) == os.fsencode(record.path)
    assert ("path_encoding" in document) == (path_text(record.path) != record.path)


@given(records)
def test_a_tsv_line_has_three_fields(record: Record) -> None:
    line = Tsv().record(record)
    fields = line.removesuffix("\n").split("\t")
    assert len(fields) == 3
    assert "\n" not in line[:-1]
    restored = fields[0].replace("\\\\", "\0").replace("\\t", "\t").replace("\\n", "\n").replace("\\r", "\r")
    assert restored.replace("\0", "\\") == path_text(record.path)
    line.encode()


@given(st.lists(records, max_size=5))
def test_csv_is_read_back(shown: list[Record]) -> None:
    text = Csv().begin() + "".join(map(Csv().record, shown))
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert tuple(header) == CSV_HEADER
    expected = [path_text(r.path) for r in shown for _ in range(2 if isinstance(r, Prediction) else 1)]
    assert [row[0] for row in rows] == expected
    assert all(len(row) == 7 for row in rows)
    text.encode()


def test_paths() -> None:
    assert path_text("caf\udce9 100%.jpg") == "caf%E9 100%25.jpg"
    assert path_text("100% café.jpg") == "100% café.jpg"
    assert tsv_text("a\\b\tc\nd\re") == r"a\\b\tc\nd\re"
    assert printable("a\x1b[31m\nb\udcff") == r"a\x1b[31m\nb%FF"


def test_on_a_terminal_control_characters_are_escaped_and_json_stays_json() -> None:
    name = "a\x1b[31m\x9b\x07\u202eb\r\x7f"
    assert terminal_text(f"{name}\tx\n") == r"a\u001b[31m\u009b\u0007\u202eb\u000d\u007f" + "\tx\n"
    line = json.dumps({"path": name}, ensure_ascii=False)
    assert json.loads(terminal_text(line)) == {"path": name}
    assert terminal_text("caf\u00e9 \U0001f44d\u200d") == "caf\u00e9 \U0001f44d\u200d"


def test_parquet(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    from cnncli.render.parquet import parquet_writer

    with parquet_writer(tmp_path / "a.parquet") as write:
        for record in (CAT, UNSURE, BROKEN):
            write(record)
    rows = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("a.jpg", "ok", 1, 3, "cat", 0.75, None),
        ("a.jpg", "ok", 2, 1, "dog", 0.25, None),
        ("b.jpg", "ok", 1, None, "unknown", 0.4, None),
        ("b.jpg", "ok", 2, None, "unknown", 0.3, None),
        ("c.jpg", "unreadable", None, None, None, None, "no such file"),
    ]


def test_parquet_of_several_tasks(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    from cnncli.render.parquet import join_parquet, parquet_writer

    shown: dict[str, Record] = {"a": CAT_BY_DAY, "b": NOTHING_BY_NIGHT, "c": BROKEN}
    for name, record in shown.items():
        with parquet_writer(tmp_path / name, BOTH.tasks) as write:
            write(record)
    parts = ((tmp_path / name).read_bytes() for name in "abc")
    join_parquet(parts, tmp_path / "all.parquet")
    rows = parquet.read_table(tmp_path / "all.parquet").to_pylist()
    assert [tuple(row.values()) for row in rows][2:] == [
        ("a.jpg", "ok", "light", 1, 0, "day", 0.9, None),
        ("n.jpg", "ok", "pets", 0, None, None, None, None),
        ("n.jpg", "ok", "light", 1, 1, "night", 0.8, None),
        ("c.jpg", "unreadable", None, None, None, None, None, "no such file"),
    ]


WHERE = Exif("2026-05-01T06:30:00", "Maker Model 1", 48.1375, -11.575)


def test_exif_follows_in_every_format_that_has_columns() -> None:
    cat = dataclasses.replace(CAT, exif=WHERE)
    csv_ = Csv(has_exif=True)
    shown: tuple[Record, ...] = (cat, CAT, BROKEN)
    text = csv_.begin() + "".join(map(csv_.record, shown))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == (*CSV_HEADER, "taken", "camera", "latitude", "longitude")
    assert [(row["taken"], row["camera"], row["latitude"], row["longitude"]) for row in rows] == [
        *[("2026-05-01T06:30:00", "Maker Model 1", "48.137500", "-11.575000")] * 2,
        *[("", "", "", "")] * 3,
    ]
    for record, expected in (
        (cat, dataclasses.asdict(WHERE)),
        (BROKEN, dict.fromkeys(dataclasses.asdict(WHERE))),
    ):
        document = json.loads(JsonLines(has_exif=True).record(record))
        assert document == json.loads(JsonLines().record(record)) | expected
    assert Csv().record(cat) == Csv().record(CAT)


@pytest.mark.parametrize("format_", [Format.CSV, Format.JSONL, Format.PARQUET])
def test_parts_with_exif_are_joined(tmp_path: Path, format_: Format) -> None:
    if format_.spec.package:
        pytest.importorskip(format_.spec.package)
    layout = dataclasses.replace(PLAIN, has_exif=True)
    cat = dataclasses.replace(CAT, exif=WHERE)
    parts = []
    for records_ in ((BROKEN,), (cat, CAT), (BROKEN, cat), (BROKEN, cat, CAT, BROKEN, cat)):
        stream = io.BytesIO()
        with open_writer(format_, stream, layout) as write:
            for record in records_:
                write(record)
        parts.append(stream.getvalue())
    *parts, whole = parts
    join = format_.spec.joiner
    assert join is not None
    join(iter(parts), tmp_path / "joined")
    if format_ is Format.PARQUET:
        from pyarrow.parquet import read_table

        assert read_table(tmp_path / "joined").equals(read_table(io.BytesIO(whole)))
    else:
        assert (tmp_path / "joined").read_bytes() == whole
