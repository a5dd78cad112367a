"""Real ImageNet weights on real photographs agree with reference predictions of another program."""

import csv
import io
import json
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from cnncli.networks.reference import Reference
from cnncli.prepare import prepare
from cnncli.records.defaults import DEFAULT
from cnncli.records.engines import Precision
from cnncli.records.progress import NullProgress
from tests.conftest import Cnncli, Program

pytestmark = pytest.mark.shared


@dataclass(frozen=True)
class Expected:
    truth: int
    top5: list[int]
    probabilities: list[float]


@pytest.fixture(scope="session")
def reference(shared: Path) -> dict[str, Expected]:
    with (shared / "models" / "squeezenet1_0_reference.tsv").open() as stream:
        return {
            row["file"]: Expected(
                int(row["class_index"]),
                [int(index) for index in row["top5_index"].split()],
                [float(p) for p in row["top5_probability"].split()],
            )
            for row in csv.DictReader(stream, delimiter="\t")
        }


def check(text: str, reference: dict[str, Expected]) -> None:
    """Compare a CSV of `predict` with the reference: top-5 lists, probabilities, 69 correct in top-1 and 85 in top-5."""
    scores: dict[str, list[tuple[int, float]]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        scores.setdefault(Path(row["path"]).name, []).append((int(row["index"]), float(row["probability"])))
    assert scores.keys() == reference.keys()
    for name, expected in reference.items():
        assert [index for index, _ in scores[name]] == expected.top5, name
        assert [p for _, p in scores[name]] == pytest.approx(expected.probabilities, abs=1e-3), name
    assert sum(scores[name][0][0] == expected.truth for name, expected in reference.items()) == 69
    assert (
        sum(expected.truth in [index for index, _ in scores[name]] for name, expected in reference.items())
        == 85
    )


@pytest.fixture
def photographs(shared: Path) -> Path:
    return shared / "data" / "imagenet-samples"


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_openvino_is_as_accurate(
    cnncli: Cnncli, squeezenet: Path, photographs: Path, reference: dict[str, Expected], precision: str
) -> None:
    openvino = pytest.importorskip("cnncli.engines.openvino", exc_type=ImportError)
    if not openvino.computes_in(Precision(precision)):
        pytest.skip(f"this processor does not compute in {precision}")
    options = ["--engine", "openvino", "--precision", precision, "-f", "csv"]
    result = cnncli("predict", photographs, "-m", squeezenet, *options)
    if precision == "fp32":
        check(result.stdout, reference)
        return
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    best = {Path(row["path"]).name: int(row["index"]) for row in rows if row["rank"] == "1"}
    right = sum(best[name] == expected.truth for name, expected in reference.items())
    assert 67 <= right <= 71


@pytest.mark.slow
def test_a_name_with_local_weights(
    cnncli: Cnncli, shared: Path, photographs: Path, reference: dict[str, Expected]
) -> None:
    weights = shared / "models" / "squeezenet1_0_imagenet.safetensors"
    result = cnncli("predict", photographs, "--model", "squeezenet1_0", "--weights", weights, "-f", "csv")
    assert result.exit_code == 0
    check(result.stdout, reference)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ["-j", "1"],
        ["-j", "8", "-b", "1"],
        ["-b", "7"],
        ["-b", "128"],
        ["--engine", "torch"],
        ["--engine", "torch", "-b", "32"],
    ],
    ids=" ".join,
)
def test_threads_batches_and_engines_do_not_change_predictions(
    cnncli: Cnncli,
    squeezenet: Path,
    photographs: Path,
    reference: dict[str, Expected],
    options: list[str],
) -> None:
    check(cnncli("predict", photographs, "-m", squeezenet, "-f", "csv", *options).stdout, reference)


@pytest.mark.slow
def test_globs_and_lists_give_the_same_predictions(
    program: Program,
    squeezenet: Path,
    photographs: Path,
    reference: dict[str, Expected],
) -> None:
    def predict(*arguments: str, stdin: bytes = b"") -> str:
        result = program("predict", *arguments, "-m", squeezenet, "-f", "csv", stdin=stdin)
        assert (result.returncode, result.stderr) == (0, b"")
        return result.stdout.decode()

    check(predict(f"{photographs}/*.JPEG"), reference)
    names = sorted(str(path) for path in photographs.glob("*.JPEG"))
    check(predict("--files-from", "-", stdin="\n".join(names).encode()), reference)
    check(predict("--files-from", "-", "-0", stdin="\0".join(names).encode()), reference)


@pytest.mark.slow
def test_an_image_on_standard_input(
    program: Program,
    squeezenet: Path,
    photographs: Path,
    reference: dict[str, Expected],
) -> None:
    for name in sorted(reference)[:5]:
        result = program(
            "predict", "-", "-m", squeezenet, "-f", "json", stdin=(photographs / name).read_bytes()
        )
        (record,) = json.loads(result.stdout)
        assert [score["index"] for score in record["predictions"]] == reference[name].top5


@pytest.mark.slow
def test_labels_as_synsets(cnncli: Cnncli, squeezenet: Path, photographs: Path) -> None:
    robin = photographs / "n01558993_robin.JPEG"
    result = cnncli("predict", robin, "-m", squeezenet, "--label-style", "synset")
    assert result.stdout.split("\t")[1] == "n01558993"


@pytest.mark.slow
def test_odd_images_give_one_record_each_in_order(program: Program, squeezenet: Path, shared: Path) -> None:
    names = sorted(str(path) for path in (shared / "data" / "odd-images").iterdir())
    result = program(
        "predict", "--files-from", "-", "-m", squeezenet, "-f", "jsonl", stdin="\n".join(names).encode()
    )
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["path"] for record in records] == names
    assert len(names) == 150
    unreadable = [record for record in records if record["status"] == "unreadable"]
    assert result.returncode == 3
    assert result.stderr.decode() == f"{len(unreadable)} of 150 images could not be read\n"
    assert all(record["reason"] for record in unreadable)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_predicting_works_with_the_light_install(
    squeezenet: Path,
    photographs: Path,
    reference: dict[str, Expected],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a fresh environment with only the packages that docs/networks.md names, so without torch."""
    root = Path(__file__).parents[1]
    page = (root / "docs" / "networks.md").read_text()
    line = next(
        line for line in page.splitlines() if line.startswith("pip install ") and "onnxruntime" in line
    )
    environment = tmp_path / "light"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    pip: list[str | Path] = [
        environment / "bin" / "python",
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
    ]
    subprocess.run([*pip, *shlex.split(line)[2:]], check=True)
    subprocess.run([*pip, "--no-deps", root], check=True)
    installed = subprocess.run([*pip[:3], "list"], capture_output=True, text=True, check=True).stdout
    assert "torch" not in installed
    command: list[str | Path] = [
        environment / "bin" / "cnncli",
        "predict",
        photographs,
        "-m",
        squeezenet,
        "-f",
        "csv",
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert result.stderr == ""
    check(result.stdout, reference)
    monkeypatch.delenv("CNNCLI_MODEL")
    lemon = root / "sample_images" / "lemon.jpg"
    copy = shutil.copytree(prepare(Reference(DEFAULT), NullProgress()).path, tmp_path / "copy")
    monkeypatch.setenv("CNNCLI_HOME", str(tmp_path / "empty"))
    for model, notice in (((), "torch is not installed, so the built-in model pocket"), (("-m", copy), "")):
        result = subprocess.run([*command[:2], lemon, *model], capture_output=True, text=True, check=True)
        assert result.stdout.split("\t")[1] == "lemon"
        assert result.stderr.startswith(notice) if notice else result.stderr == ""
