"""`--unfamiliar`: images unlike any class are unknown, for predict and sort."""

import csv
import io
import json
import os
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from PIL import Image

from cnncli import Prediction, load
from cnncli.networks.model_folder import open_folder
from cnncli.records.networks import FEATURES
from tests.cli.test_predict import unfinished
from tests.cli.test_serve import predict, serve
from tests.conftest import Cnncli, Imports

WARM, COLD, GREEN = (230, 90, 40), (40, 90, 230), (60, 200, 80)


def paint(folder: Path, colour: tuple[int, int, int], count: int) -> None:
    """Noisy images of about one colour."""
    draws = np.random.default_rng(sum(colour))
    folder.mkdir(parents=True)
    for number in range(count):
        pixels = np.clip(np.array(colour) + draws.normal(0, 12, 3) + draws.normal(0, 20, (9, 9, 3)), 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Warm and cold images to train on, others of the same and of another colour."""
    root = tmp_path_factory.mktemp("unfamiliar")
    paint(root / "shades" / "warm", WARM, 40)
    paint(root / "shades" / "cold", COLD, 40)
    paint(root / "new" / "warm", (231, 90, 40), 5)
    paint(root / "green", GREEN, 5)
    (root / "empty").mkdir()
    return root


def run_on_shades(home: Path, cnncli: Cnncli, colours: Path) -> Path:
    """A run that knows the warm and cold images in a folder; trained once."""
    run = home / "run"
    if not run.exists():
        result = cnncli("finetune", home / "shades", "--tune", "features", "-m", colours, "-o", run)
        assert result.exit_code == 0, result.stderr
    return run


@pytest.fixture
def run(home: Path, cnncli: Cnncli, colours: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run, in the folder of its images."""
    monkeypatch.chdir(home)
    return run_on_shades(home, cnncli, colours)


def test_a_run_keeps_features_of_its_images(run: Path) -> None:
    files = {facts.name: facts.bytes for facts in open_folder(run).card.files}
    assert files[FEATURES] < 2_000


def test_images_unlike_any_class_are_unknown_with_the_reason(cnncli: Cnncli, run: Path) -> None:
    arguments = ("predict", "new", "green", "-m", run, "--unfamiliar", "0.9")
    rows = list(csv.DictReader(io.StringIO(cnncli(*arguments, "-f", "csv").stdout)))
    known = [row for row in rows if row["path"].startswith("new")]
    assert [row["label"] for row in known] == ["warm", "cold"] * 5
    assert not any(row["reason"] for row in known)
    unknown = [row for row in rows if row["path"].startswith("green")]
    assert [(row["status"], row["rank"], row["index"], row["label"]) for row in unknown] == [
        ("ok", rank, "", "unknown") for _ in range(5) for rank in "12"
    ]
    assert all(row["reason"].startswith("unlike the training images (score ") for row in unknown)
    records = [json.loads(line) for line in cnncli(*arguments, "-f", "jsonl").stdout.splitlines()]
    assert [record.get("reason") for record in records] == [row["reason"] or None for row in rows[::2]]
    assert json.loads(cnncli(*arguments, "-f", "json").stdout) == records
    table = cnncli("predict", "green/0.png", "-m", run, "--unfamiliar", "0.9", "-f", "table").stdout
    assert "unknown: unlike the training images" in " ".join(table.split())
    lines = cnncli(*arguments).stdout.splitlines()
    assert [line.split("\t")[1] for line in lines] == ["warm"] * 5 + ["unknown"] * 5


def test_parquet_has_the_columns_of_csv(cnncli: Cnncli, run: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "a.parquet"
    cnncli("predict", "green", "-m", run, "--unfamiliar", "0.9", "-k", "1", "-o", file)
    table = parquet.read_table(file).to_pydict()
    assert table["label"] == ["unknown"] * 5
    assert all(reason.startswith("unlike the training images") for reason in table["reason"])


def test_the_share_of_known_images_is_kept(cnncli: Cnncli, run: Path) -> None:
    with (run / "splits.csv").open(newline="") as stream:
        held_out = [row["path"] for row in csv.DictReader(stream) if row["split"] == "val"]
    paths = [f"shades/{path}" for path in held_out]
    for share in ("0.5", "0.9"):
        labels = [
            line.split("\t")[1]
            for line in cnncli("predict", *paths, "-m", run, "--unfamiliar", share).stdout.splitlines()
        ]
        kept = sum(label != "unknown" for label in labels)
        assert kept == int(np.ceil(float(share) * (len(paths) + 1)))


def test_an_interrupted_file_is_resumed_with_the_same_share_only(
    cnncli: Cnncli, run: Path, tmp_path: Path
) -> None:
    arguments = ("predict", "new", "green", "-m", run, "--unfamiliar", "0.9")
    output = tmp_path / "o.csv"
    whole = cnncli(*arguments, "-f", "csv").stdout
    unfinished(cnncli, Path("new"), output, *map(str, arguments[2:]))
    assert "cannot resume" in cnncli(*arguments[:-1], "0.8", "-o", output, "--resume").stderr
    for cut in range(0, len(whole), 101):
        settings = Path(f"{output}.part.json").read_text()
        Path(f"{output}.part").write_text(whole[:cut])
        assert cnncli(*arguments, "-o", output, "--resume").exit_code == 0
        assert output.read_text() == whole
        output.unlink()
        Path(f"{output}.part.json").write_text(settings)


def test_restricted_and_rolled_up_classes_know_the_same_images(
    cnncli: Cnncli, run: Path, tmp_path: Path
) -> None:
    (tmp_path / "shown.csv").write_text("warm,hot\ncold,ice\n")
    options = ("--rollup", tmp_path / "shown.csv", "--classes", "hot,ice", "--threshold", "0.5")
    lines = cnncli("predict", "new", "green", "-m", run, "--unfamiliar", "0.9", *options).stdout.splitlines()
    assert [line.split("\t")[1] for line in lines] == ["hot"] * 5 + ["unknown"] * 5


def test_in_parts_as_in_one_go(cnncli: Cnncli, run: Path, tmp_path: Path) -> None:
    arguments = ("predict", "new", "green", "-m", run, "--unfamiliar", "0.9")
    result = cnncli(*arguments, "-f", "csv", "--parts", tmp_path / "parts", "--part-size", "3")
    assert result.exit_code == 0, result.stderr
    cnncli("join", tmp_path / "parts", "-o", tmp_path / "joined.csv")
    cnncli(*arguments, "-o", tmp_path / "whole.csv")
    assert (tmp_path / "joined.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_they_are_sorted_into_a_folder_of_their_own(cnncli: Cnncli, run: Path, tmp_path: Path) -> None:
    result = cnncli("sort", "new", "green", "-m", run, "--unfamiliar", "0.9", "--into", tmp_path / "sorted")
    assert "5 of them in unknown/" in result.stderr
    folders = {
        path.name: len(list(path.iterdir())) for path in (tmp_path / "sorted").iterdir() if path.is_dir()
    }
    assert folders == {"warm": 5, "unknown": 5}


def test_a_network_without_features_needs_known_images(
    cnncli: Cnncli, home: Path, colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    result = cnncli("predict", "green", "-m", colours, "--unfamiliar", "0.9")
    assert result.exit_code == 2
    assert "has no training features" in result.stderr
    assert "--known" in result.stderr
    lines = cnncli(
        "predict", "green", "-m", colours, "--unfamiliar", "0.9", "--known", "shades/warm", "-f", "csv"
    ).stdout
    assert (
        "unlike known images (score " in lines
    )  # green has a lower energy than warm in the colour classifier


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--unfamiliar", "1.5"], "invalid value for '--unfamiliar'"),
        (["--unfamiliar", "0"], "is not a share between 0 and 1"),
        (["--unfamiliar", "nan"], "is not a share between 0 and 1"),
        (["--unfamiliar", "0.999"], "16 known images are too few to keep 99.9 % of them"),
        (["--unfamiliar", "0.9", "--tta"], "--tta does not work with --unfamiliar"),
        (["--known", "new"], "--known has no effect without --unfamiliar"),
        (["--unfamiliar", "0.9", "--known", "empty"], "--known empty: no images"),
        (["--unfamiliar", "0.9", "--known", "nowhere"], "--known nowhere: no such folder"),
        (["--unfamiliar", "0.9", "--known", "new", "--parts", "p"], "--known does not work with --parts"),
    ],
)
def test_usage_errors(cnncli: Cnncli, run: Path, options: list[str], message: str) -> None:
    result = cnncli("predict", "green", "-m", run, *options)
    assert result.exit_code in {1, 2}
    assert message in result.stderr
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) <= 2


def test_torch_is_not_imported(imports: Imports, run: Path) -> None:
    _, loaded = imports("predict", "green", "-m", str(run), "--unfamiliar", "0.9")
    assert not {"torch", "sklearn", "safetensors"} & loaded


def test_in_python(run: Path) -> None:
    known, unknown = load(run, unfamiliar=0.9).predict(["new/warm/0.png", "green/0.png"])
    assert isinstance(known, Prediction)
    assert (known.label, known.reason) == ("warm", None)
    assert isinstance(unknown, Prediction)
    assert (unknown.label, (unknown.reason or "")[:26]) == ("unknown", "unlike the training images")


@pytest.mark.skipif(os.name != "posix", reason="serve is tested where signals are POSIX's")
def test_a_service_gives_the_same_records(cnncli: Cnncli, run: Path) -> None:
    with serve("-m", str(run), "--unfamiliar", "0.9") as (_, address):
        for file in (Path("new/warm/0.png"), Path("green/0.png")):
            (record,) = json.loads(predict(address, file.read_bytes())[1])
            (expected,) = json.loads(
                cnncli("predict", file, "-m", run, "--unfamiliar", "0.9", "-f", "json").stdout
            )
            assert record == expected | {"path": "image 0"}
    assert "reason" in record
    schema = json.loads(files("cnncli.serve").joinpath("openapi.json").read_text(encoding="utf-8"))
    Draft202012Validator({**schema, "$ref": "#/components/schemas/Record"}).validate(record)
