"""`features` and `evaluate` in parts: what is joined, and what is computed from them, is that of a single run."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnncli.networks.model_folder import open_folder
from tests.conftest import Cnncli, arrays_of


@pytest.fixture(autouse=True)
def default_model(colours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNCLI_MODEL", str(colours))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twelve labelled images of random colours, of which one cannot be read."""
    rng = np.random.default_rng(1)
    for number in range(12):
        file = tmp_path / "data" / ("red", "green", "blue")[number % 3] / f"{number:02d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        colour = rng.integers(0, 256, 3, np.uint8)
        colour[number % 3] = 200
        Image.fromarray(np.tile(colour, (9, 9, 1))).save(file)
    (tmp_path / "data" / "red" / "03.png").write_bytes(b"nothing")
    return tmp_path / "data"


@pytest.mark.parametrize("ending", [".npz", ".npy", ".csv", ".parquet"])
def test_joined_features_are_the_file_of_a_single_run(
    cnncli: Cnncli, data: Path, tmp_path: Path, ending: str
) -> None:
    parts, joined, single = tmp_path / "parts", tmp_path / f"joined{ending}", tmp_path / f"single{ending}"
    result = cnncli("features", data, "--parts", parts, "--part-size", "5")
    assert result.exit_code == 3, result.output
    assert f"{parts}: 12 records, 1 could not be read; 3 of 3 parts done" in result.stderr
    assert cnncli("join", parts, "-o", joined).exit_code == 0
    cnncli("features", data, "-o", single)
    if ending == ".npz":
        one, other = arrays_of(joined), arrays_of(single)
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[name], other[name]) for name in one)
    elif ending == ".parquet":
        pq = pytest.importorskip("pyarrow.parquet")
        assert pq.read_table(joined).equals(pq.read_table(single))
    else:
        assert joined.read_bytes() == single.read_bytes()
        if ending == ".npy":
            assert joined.with_suffix(".csv").read_bytes() == single.with_suffix(".csv").read_bytes()


def test_shards_do_not_depend_on_who_computes_them(cnncli: Cnncli, data: Path, tmp_path: Path) -> None:
    one, many = tmp_path / "one", tmp_path / "many"
    cnncli("features", data, "--parts", one, "--part-size", "5")
    for share in ("1/2", "0/2"):
        cnncli("features", data, "--parts", many, "--part-size", "5", "--part", share)
    contents = [{file.name: file.read_bytes() for file in place.glob("part-*")} for place in (one, many)]
    assert len(contents[0]) == 3
    assert contents[0] == contents[1]


def test_figures_from_parts_are_those_of_a_single_run(cnncli: Cnncli, data: Path, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    result = cnncli("evaluate", data, "--parts", parts, "--part-size", "8")
    assert result.exit_code == 3, result.output
    whole = cnncli("evaluate", data, "-f", "json")
    assert whole.exit_code == 3
    from_parts = cnncli("evaluate", data, "--from", parts, "-f", "json")
    assert from_parts.exit_code == 3
    assert json.loads(from_parts.stdout) == json.loads(whole.stdout)
    assert "red/03.png cannot be read" in from_parts.stderr
    result = cnncli("evaluate", data, "--from", parts, "-o", tmp_path / "results")
    assert (tmp_path / "results" / "report.html").exists()
    assert result.stdout == cnncli("evaluate", data).stdout


def test_figures_of_tasks_from_parts_are_those_of_a_single_run(
    cnncli: Cnncli, data: Path, tmp_path: Path, colour_tasks: Path
) -> None:
    listing, parts = data / "list.csv", tmp_path / "parts"
    moods = ("warm|red", "?", "cold")
    rows = [
        f"{file.relative_to(data)},{file.parent.name},{moods[place % 3]}\n"
        for place, file in enumerate(sorted(data.glob("*/*.png")))
    ]
    listing.write_text("path,colour,mood\n" + "".join(rows))
    model = ("-m", colour_tasks)
    assert cnncli("evaluate", listing, *model, "--parts", parts, "--part-size", "5").exit_code == 3
    whole = cnncli("evaluate", listing, *model, "-f", "json")
    from_parts = cnncli("evaluate", listing, "--from", parts, "-f", "json")
    assert (whole.exit_code, from_parts.exit_code) == (3, 3), from_parts.output
    assert json.loads(from_parts.stdout) == json.loads(whole.stdout)
    refused = cnncli("evaluate", data, "--from", parts)
    assert (refused.exit_code, "has only one class per image" in refused.stderr) == (1, True)
    assert "has only one class" in cnncli("evaluate", data, *model, "--parts", tmp_path / "other").stderr
    cnncli("predict", data, *model, "--parts", tmp_path / "predictions")
    refused = cnncli("evaluate", listing, "--from", tmp_path / "predictions")
    assert "holds the predictions of a network with tasks" in refused.stderr
    plain = cnncli(
        "evaluate", listing, "--label-column", "colour", "--multi-label", "mood", "--parts", tmp_path / "p"
    )
    assert "gives one class per image and has no tasks" in plain.stderr


def test_classes_may_be_mapped_afterwards(cnncli: Cnncli, data: Path, tmp_path: Path) -> None:
    (data / "green").rename(data / "lime")
    (tmp_path / "map.csv").write_text("lime,green\n")
    parts = tmp_path / "parts"
    cnncli("evaluate", data, "--parts", parts)
    assert "does not have 1 of the classes: 'lime'" in cnncli("evaluate", data, "--from", parts).stderr
    result = cnncli("evaluate", data, "--from", parts, "--map", tmp_path / "map.csv", "--subset")
    assert "top-1" in result.stdout, result.stderr


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_from_the_parts_of_predict_only_accuracies_are_known(
    cnncli: Cnncli, data: Path, tmp_path: Path, ending: str
) -> None:
    parts = tmp_path / "parts"
    cnncli("predict", data, "--parts", parts, "--part-size", "5", "-k", "2", "-f", ending)
    result = cnncli("evaluate", data, "--from", parts, "-f", "json")
    assert result.exit_code == 3
    assert "only top-1 and top-2" in result.stderr
    figures, whole = json.loads(result.stdout), json.loads(cnncli("evaluate", data, "-f", "json").stdout)
    assert {name: figures[name] for name in ("model", "data", "images", "top1", "top1_interval")} == {
        name: whole[name] for name in ("model", "data", "images", "top1", "top1_interval")
    }
    assert figures["unreadable"] == 1
    assert figures["top1"] < figures["top2"] <= 1
    table = cnncli("evaluate", data, "--from", parts).stdout.splitlines()
    assert [line.split()[0] for line in table] == ["model", "data", "top-1", "top-2"]
    assert "give no such figures" in cnncli("evaluate", data, "--from", parts, "-f", "csv").stderr
    assert (
        "need the probabilities of all classes"
        in cnncli("evaluate", data, "--from", parts, "--subset").stderr
    )


def test_images_without_an_answer_are_left_out_and_counted(
    cnncli: Cnncli, data: Path, tmp_path: Path
) -> None:
    parts = tmp_path / "parts"
    cnncli("predict", data / "red", data / "blue", "--parts", parts)
    result = cnncli("evaluate", data, "--from", parts)
    assert f"left out: 4 images without an answer in {parts}" in result.stderr
    assert "7 images" in result.stdout
    cnncli("predict", data.parent / "data" / "red" / "00.png", "--parts", tmp_path / "other")
    (data / "red" / "00.png").unlink()
    assert (
        "no image of data is among the inputs of"
        in cnncli("evaluate", data, "--from", tmp_path / "other").stderr
    )


def test_a_part_holds_the_probabilities_of_all_classes(
    cnncli: Cnncli, data: Path, tmp_path: Path, colours: Path
) -> None:
    cnncli("evaluate", data, "--parts", tmp_path / "parts")
    vectors = arrays_of(tmp_path / "parts" / "part-00000.npz")["vectors"]
    assert vectors.shape == (11, len(open_folder(colours).card.class_names))
    np.testing.assert_allclose(vectors.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--parts", "p", "-o", "out"], "--output does not work with --parts"),
        (["--parts", "p", "--subset"], "--subset does not work with --parts"),
        (["--parts", "p", "-f", "json"], "--format does not work with --parts"),
        (["--parts", "p", "--from", "q"], "--from does not work with --parts"),
        (["--parts", "p", "-m", "a", "-m", "b"], "--parts works with one model"),
        (["--from", "p", "-m", "a"], "--model does not work with --from"),
        (["--from", "p", "--tta"], "--tta does not work with --from"),
        (["--resume"], "--resume has no effect without --parts"),
    ],
)
def test_usage_errors_of_evaluate(cnncli: Cnncli, data: Path, arguments: list[str], message: str) -> None:
    result = cnncli("evaluate", data, *arguments)
    assert (result.exit_code, message in result.stderr) == (2, True), result.stderr


def test_parts_of_another_command_are_refused(cnncli: Cnncli, data: Path, tmp_path: Path) -> None:
    cnncli("features", data, "--parts", tmp_path / "f")
    cnncli("evaluate", data, "--parts", tmp_path / "e")
    assert "holds the parts of features" in cnncli("evaluate", data, "--from", tmp_path / "f").stderr
    assert "cnncli evaluate DATA --from" in cnncli("join", tmp_path / "e", "-o", tmp_path / "a.npz").stderr
    assert "does not end in .npz" in cnncli("join", tmp_path / "f", "-o", tmp_path / "a.txt").stderr
    result = cnncli("evaluate", data, "--parts", tmp_path / "f", "--resume")
    assert "command was features and is now evaluate" in result.stderr
    (tmp_path / "e" / "part-00000.npz").unlink()
    assert "1 part of 1 missing" in cnncli("evaluate", data, "--from", tmp_path / "e").stderr
