"""`evaluate --others`: how well images of the classes are told apart from others."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cnncli.evaluation.others import auroc
from cnncli.images.sources import require_images
from cnncli.inference import ImageOutput, Session
from cnncli.networks.familiarity import Detector
from cnncli.networks.model_folder import open_folder
from cnncli.records.engines import InferenceOptions
from cnncli.records.progress import NullProgress
from tests.cli.test_unfamiliar import COLD, GREEN, WARM, paint, run_on_shades
from tests.conftest import Cnncli


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Warm and cold images; green ones and some more warm ones as others."""
    root = tmp_path_factory.mktemp("others")
    for split, count in (("train", 30), ("val", 20)):
        paint(root / "shades" / split / "warm", WARM, count)
        paint(root / "shades" / split / "cold", (COLD[0], COLD[1] + count, COLD[2]), count)
    paint(root / "others", GREEN, 6)
    paint(root / "others" / "more", (231, 90, 40), 3)
    (root / "empty").mkdir()
    (root / "broken").mkdir()
    (root / "broken" / "a.png").write_bytes(b"nothing")
    return root


@pytest.fixture
def run(home: Path, cnncli: Cnncli, colours: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run, in the folder of its images."""
    monkeypatch.chdir(home)
    return run_on_shades(home, cnncli, colours)


def scores_of(run: Path, folder: str) -> np.ndarray:
    opened = open_folder(run)
    session = Session(opened, InferenceOptions(), NullProgress())
    outputs = session.scores(require_images(folder, "DATA"), Detector.open(opened).scores)
    return np.array([output.values[0] for output in outputs if isinstance(output, ImageOutput)])


def test_ties_count_half() -> None:
    known, others = np.array([1, 2, 2, 5], np.float32), np.array([2, 7, 0], np.float32)
    assert auroc(known, others) == roc_auc_score([0] * 4 + [1] * 3, [*known, *others]) == (1 + 2 / 2 + 4) / 12


def test_figures_in_every_output(cnncli: Cnncli, run: Path, tmp_path: Path) -> None:
    result = cnncli(
        "evaluate",
        "shades",
        "-m",
        run,
        "--others",
        "others",
        "--unfamiliar",
        "0.9",
        "-f",
        "json",
        "-o",
        tmp_path / "out",
    )
    assert result.exit_code == 0, result.stderr
    others = json.loads(result.stdout)["others"]
    known, foreign = scores_of(run, "shades/val"), scores_of(run, "others")
    assert others["auroc"] == pytest.approx(roc_auc_score([0] * 40 + [1] * 9, [*known, *foreign]))
    threshold = Detector.open(open_folder(run)).threshold(0.9)
    assert others["threshold"] == pytest.approx(threshold)
    assert others["known_kept"] == 37 / 40  # 0.9 of 41
    assert others["others_rejected"] == pytest.approx((foreign > threshold).mean()) == 6 / 9
    assert (others["images"], others["unreadable"], others["unfamiliar"]) == (9, 0, 0.9)
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["others"] == others
    text = cnncli("evaluate", "shades", "-m", run, "--others", "others", "--unfamiliar", "0.9").stdout
    assert "against 9 images of others" in text
    assert "--unfamiliar 0.9 keeps 92.5 %" in text
    assert "rejects 66.7 %" in text
    page = (tmp_path / "out" / "report.html").read_text()
    assert "None of the classes" in page
    assert "predict --unfamiliar 0.9" in page
    assert "others" not in json.loads(cnncli("evaluate", "shades", "-m", run, "-f", "json").stdout)


def test_a_network_without_features_is_judged_by_its_energy(cnncli: Cnncli, run: Path, colours: Path) -> None:
    Path("names.csv").write_text("warm,red\ncold,blue\n")
    arguments = (
        "evaluate",
        "shades",
        "-m",
        colours,
        "--map",
        "names.csv",
        "--others",
        "others",
        "-f",
        "json",
    )
    result = cnncli(*arguments, "--unfamiliar", "0.8", "--split", "val")
    others = json.loads(result.stdout)["others"]
    assert others["method"] == "energy of logits"
    assert (
        "has no training features; the energy of its logits, which is used instead, is a weaker"
        in result.stderr
    )
    known, foreign = scores_of(colours, "shades/val"), scores_of(colours, "others")
    assert others["auroc"] == pytest.approx(roc_auc_score([0] * 40 + [1] * 9, [*known, *foreign]))
    assert others["known_kept"] == 0.8
    assert run.exists()


def test_a_network_with_several_labels(
    cnncli: Cnncli, colours: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    rows = [f"{path},{path.parent.name}" for path in sorted(Path("shades").glob("*/*/*.png"))]
    Path("list.csv").write_text("\n".join(["path,shade", *rows]))
    if not Path("labels").exists():
        result = cnncli(
            "finetune",
            "list.csv",
            "--multi-label",
            "shade",
            "--tune",
            "features",
            "-m",
            colours,
            "-o",
            "labels",
        )
        assert result.exit_code == 0, result.stderr
    result = cnncli(
        "evaluate", "list.csv", "-m", "labels", "--others", "others", "--unfamiliar", "0.8", "-f", "json"
    )
    others = json.loads(result.stdout)["others"]
    assert others["auroc"] > 0.6
    text = cnncli("evaluate", "list.csv", "-m", "labels", "--others", "others", "--unfamiliar", "0.8").stdout
    assert "against 9 images of others" in text
    (record, *_) = map(
        json.loads,
        cnncli("predict", "others", "-m", "labels", "--unfamiliar", "0.8", "-f", "jsonl").stdout.splitlines(),
    )
    assert record["predictions"] == []
    assert record["reason"].startswith("unlike the training images")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--others", "empty"], "--others empty: no images"),
        (["--others", "nowhere"], "--others nowhere: no such folder"),
        (["--others", "broken"], "--others broken: no image can be read"),
        (["--others", "shades"], "--others shades has 100 images of shades itself"),
        (["--others", "shades/val/warm"], "--others shades/val/warm has 20 images of shades itself"),
        (["--others", "others", "--unfamiliar", "1"], "is not a share between 0 and 1"),
        (["--others", "others", "--unfamiliar", "0.99"], "40 known images are too few to keep 99.0 %"),
        (["--others", "others", "--tta"], "--tta does not work with"),
        (["--others", "others", "-m", "run"], "--others works with one model"),
        (["--others", "others", "-f", "csv"], "--others has no effect with -f csv"),
        (["--others", "others", "--parts", "p"], "--others does not work with --parts"),
        (["--others", "others", "--from", "p"], "--others does not work with --from"),
        (["--unfamiliar", "0.9"], "--unfamiliar has no effect without --others"),
    ],
)
def test_usage_errors(cnncli: Cnncli, run: Path, options: list[str], message: str) -> None:
    model = [] if "--from" in options else ["-m", run]
    result = cnncli("evaluate", "shades", *model, *options)
    assert result.exit_code in {1, 2}
    assert message in result.stderr
    assert result.stdout == ""


def test_runs_of_earlier_versions_are_read(tmp_path: Path, run: Path, cnncli: Cnncli) -> None:
    shutil.copytree(run, tmp_path / "old")
    card = json.loads((tmp_path / "old" / "card.json").read_text())
    card["files"] = [facts for facts in card["files"] if facts["name"] != "training_features.safetensors"]
    card["schema"] = 3
    (tmp_path / "old" / "card.json").write_text(json.dumps(card))
    assert cnncli("predict", "others", "-m", tmp_path / "old").exit_code == 0
    assert (
        "has no training features"
        in cnncli("predict", "others", "-m", tmp_path / "old", "--unfamiliar", "0.9").stderr
    )
