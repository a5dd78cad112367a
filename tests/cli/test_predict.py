"""`cnncli predict` to the letter of its contract, on a network whose answers are known."""

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnncli.errors import OutputError
from cnncli.files.part_file import PartFile
from tests.conftest import Cnncli, some_slow
from tests.networks_for_tests import colour_probabilities

LEMON = Path(__file__).parents[2] / "sample_images" / "lemon.jpg"

RED = "0.964663"
"""softmax of (4, 0, 0): e^4 / (e^4 + 2)."""


@pytest.fixture(autouse=True)
def default_model(colours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNCLI_MODEL", str(colours))


def test_in_a_pipe_output_is_tsv_with_reasons_on_stderr(cnncli: Cnncli, photos: Path) -> None:
    result = cnncli("predict", photos)
    assert result.stdout == (
        f"{photos}/a red.png\tred\t{RED}\n"
        f"{photos}/b broken.jpg\t-\t\n"
        f"{photos}/c.bmp\tgreen\t{RED}\n"
        f"{photos}/more/d.gif\tblue\t{RED}\n"
    )
    assert f"{colour_probabilities((255, 0, 0))[0]:.6f}" == RED
    lines = result.stderr.splitlines()
    assert lines[0].startswith(f"warning: {photos}/b broken.jpg: ")
    assert lines[1:] == ["1 of 4 images could not be read"]
    assert result.exit_code == 3


def test_success_is_exit_code_0_with_empty_stderr(cnncli: Cnncli, photos: Path) -> None:
    result = cnncli("predict", photos / "c.bmp")
    assert (result.exit_code, result.stderr) == (0, "")


def test_csv(cnncli: Cnncli, photos: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(cnncli("predict", photos, "-f", "csv", "-k", "2").stdout)))
    assert [row["status"] for row in rows] == ["ok", "ok", "unreadable", "ok", "ok", "ok", "ok"]
    assert [row["rank"] for row in rows] == ["1", "2", "", "1", "2", "1", "2"]
    assert rows[0] == {
        "path": f"{photos}/a red.png",
        "status": "ok",
        "rank": "1",
        "index": "0",
        "label": "red",
        "probability": RED,
        "reason": "",
    }


def test_jsonl_and_json_agree(cnncli: Cnncli, photos: Path) -> None:
    lines = [json.loads(line) for line in cnncli("predict", photos, "-f", "jsonl").stdout.splitlines()]
    assert json.loads(cnncli("predict", photos, "-f", "json").stdout) == lines
    assert [line["status"] for line in lines] == ["ok", "unreadable", "ok", "ok"]
    assert [len(line["predictions"]) for line in lines if "predictions" in line] == [3, 3, 3]  # all there are


def test_json_of_one_image_is_a_list(cnncli: Cnncli, photos: Path) -> None:
    assert isinstance(json.loads(cnncli("predict", photos / "c.bmp", "-f", "json").stdout), list)


def test_table(cnncli: Cnncli, photos: Path) -> None:
    lines = cnncli("predict", photos / "c.bmp", "-f", "table").stdout.splitlines()
    assert lines[0].split() == ["image", "label", "probability"]
    assert lines[1].split()[0::3] == ["…/c.bmp", "96.5"]
    assert [line.split()[0] for line in lines[2:4]] == ["blue", "red"] or lines[2].split()[0] == "red"


def test_parquet(cnncli: Cnncli, photos: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert cnncli("predict", photos, "-o", tmp_path / "o.parquet").exit_code == 3
    assert parquet.read_table(tmp_path / "o.parquet").num_rows == 10
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["o.parquet"]


def test_threshold(cnncli: Cnncli, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "sure.png")
    Image.new("RGB", (8, 8), (130, 120, 120)).save(tmp_path / "unsure.png")
    lines = cnncli("predict", tmp_path, "--threshold", "0.9", "-f", "jsonl").stdout.splitlines()
    sure, unsure = (json.loads(line)["predictions"] for line in lines)
    assert [(score["index"], score["label"]) for score in sure] == [
        (0, "red"),
        (None, "unknown"),
        (None, "unknown"),
    ]
    assert [(score["index"], score["label"]) for score in unsure] == [(None, "unknown")] * 3
    assert unsure[0]["probability"] == pytest.approx(colour_probabilities((130, 120, 120))[0], abs=1e-5)


def test_label_style(cnncli: Cnncli, photos: Path) -> None:
    assert cnncli("predict", photos / "c.bmp", "--label-style", "index").stdout.split("\t")[1] == "1"
    result = cnncli("predict", photos / "c.bmp", "--label-style", "synset")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: the classes of colours have no WordNet synsets\nhint: ")


def test_classes_and_rollup_in_every_kind_of_output(cnncli: Cnncli, photos: Path, tmp_path: Path) -> None:
    blue_and_red = ("predict", photos / "c.bmp", "--classes", "blue,red")
    assert cnncli(*blue_and_red, "-f", "csv").stdout.splitlines()[1:] == [
        f"{photos}/c.bmp,ok,1,2,blue,0.500000,",
        f"{photos}/c.bmp,ok,2,0,red,0.500000,",
    ]
    (tmp_path / "warm.csv").write_text("red,warm\nblue,cold\ngreen,cold\n")
    rollup = ("--rollup", tmp_path / "warm.csv")
    assert cnncli("predict", photos / "c.bmp", *rollup).stdout.split("\t")[1:] == ["cold", "0.982332\n"]
    assert cnncli("predict", photos, *rollup, "--sheet", tmp_path / "sheet.png").exit_code == 3
    parts = tmp_path / "parts"
    assert cnncli("predict", photos, *rollup, "--parts", parts).exit_code == 3
    rows = (parts / "part-00000.csv").read_text().splitlines()
    assert rows[1] == f"{photos}/a red.png,ok,1,0,warm,{RED},"
    changed = cnncli("predict", photos, "--parts", parts, "--resume")
    assert "classes was 2 classes (" in changed.stderr


def answers(text: str) -> dict[str, float]:
    (record,) = [json.loads(line) for line in text.splitlines()]
    return {score["label"]: score["probability"] for score in record["predictions"]}


def test_tta_averages_both_views(cnncli: Cnncli, tiny: Path, tmp_path: Path) -> None:
    image = Image.effect_noise((90, 80), 90).convert("RGB")
    image.paste((255, 0, 0), (0, 0, 30, 80))
    image.save(tmp_path / "plain.png")
    image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "mirrored.png")
    options = ("-m", tiny, "-f", "jsonl", "-k", "1000")
    plain, mirrored, both = (
        answers(cnncli("predict", tmp_path / name, *options, *more).stdout)
        for name, more in (("plain.png", []), ("mirrored.png", []), ("plain.png", ["--tta"]))
    )
    assert plain != mirrored
    for label, probability in both.items():
        assert probability == pytest.approx((plain[label] + mirrored[label]) / 2, abs=1e-5)


@pytest.mark.parametrize("options", [["--precision", "bf16"], ["--precision", "fp16"], ["--engine", "torch"]])
def test_other_engines_and_precisions_give_nearly_the_same(
    cnncli: Cnncli, tiny: Path, photos: Path, options: list[str]
) -> None:
    image = (photos / "a red.png", "-m", tiny, "-f", "jsonl", "-k", "1000")
    exact, other = (
        answers(cnncli("predict", *image).stdout),
        answers(cnncli("predict", *image, *options).stdout),
    )
    assert max(abs(exact[label] - other[label]) for label in exact) < 1e-4
    assert "torch" in cnncli("predict", *image, *options, "-v").stderr


def test_another_image_size(cnncli: Cnncli, photos: Path) -> None:
    def used(*options: str) -> str:
        result = cnncli("predict", photos / "c.bmp", "-m", "test_resnet", "--no-pretrained", "-v", *options)
        return result.stdout

    assert used("--img-size", "64") == used("--img-size", "64x64") != used()


def test_standard_input(cnncli: Cnncli, photos: Path) -> None:
    result = cnncli("predict", "-", stdin=(photos / "c.bmp").read_bytes())
    assert result.stdout == f"-\tgreen\t{RED}\n"
    assert cnncli("predict", "-", stdin=b"").stdout == "-\t-\t\n"


def test_lists(cnncli: Cnncli, photos: Path, tmp_path: Path) -> None:
    names = [f"{photos}/c.bmp", f"{photos}", "none.jpg", f"{photos}/a red.png"]
    expected = [f"{names[0]}\tgreen", f"{names[1]}\t-", "none.jpg\t-", f"{names[3]}\tred"]
    (tmp_path / "list").write_text("\n".join(names) + "\n")
    by_file = cnncli("predict", "--files-from", tmp_path / "list")
    by_stdin = cnncli("predict", "--files-from", "-", "-0", stdin="\0".join(names).encode())
    assert [line.rpartition("\t")[0] for line in by_file.stdout.splitlines()] == expected
    assert by_stdin.stdout == by_file.stdout
    assert by_file.exit_code == by_stdin.exit_code == 3


def test_the_order_of_inputs_is_the_order_of_records(cnncli: Cnncli, photos: Path) -> None:
    inputs = [photos / "more", photos / "c.bmp", f"{photos}/*.png", photos / "c.bmp"]
    actual = [line.split("\t")[1] for line in cnncli("predict", *inputs).stdout.splitlines()]
    assert actual == ["blue", "green", "red", "green"]


@pytest.mark.parametrize(
    "options", [["-b", "1"], ["-b", "3", "-j", "1"], ["-b", "64", "-j", "8"], ["-b", "auto"]]
)
def test_batches_and_threads_do_not_change_predictions(
    cnncli: Cnncli, tmp_path: Path, options: list[str]
) -> None:
    draw = np.random.default_rng(0)
    for number in range(40):
        pixels = draw.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number:02}.png")
    expected = [json.loads(line) for line in cnncli("predict", tmp_path, "-f", "jsonl").stdout.splitlines()]
    actual = [
        json.loads(line) for line in cnncli("predict", tmp_path, "-f", "jsonl", *options).stdout.splitlines()
    ]
    assert [entry["path"] for entry in actual] == [entry["path"] for entry in expected]
    for one, other in zip(actual, expected, strict=True):
        for score, reference in zip(one["predictions"], other["predictions"], strict=True):
            assert score["probability"] == pytest.approx(reference["probability"], abs=1e-5)


def test_max_pixels(cnncli: Cnncli, photos: Path) -> None:
    result = cnncli("predict", photos / "c.bmp", "--max-pixels", "299", "-f", "jsonl")
    assert json.loads(result.stdout)["reason"] == "300 pixels, more than the limit of 299 (--max-pixels)"


def test_exact_decode_reads_every_pixel(cnncli: Cnncli, tmp_path: Path) -> None:
    stripes = np.zeros((2000, 2400, 3), np.uint8)
    stripes[:, ::2, 0] = 255
    Image.fromarray(stripes).save(tmp_path / "stripes.jpg", quality=95)
    reduced = cnncli("predict", tmp_path, "-f", "csv").stdout
    exact = cnncli("predict", tmp_path, "-f", "csv", "--exact-decode").stdout
    assert reduced != exact


def test_sheet(cnncli: Cnncli, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "s.png").symlink_to("drawn.png")
    result = cnncli("predict", photos, "--sheet", tmp_path / "s.png")
    assert f"saved {tmp_path / 's.png'}\n" in result.stderr
    assert (tmp_path / "s.png").is_symlink()
    assert result.exit_code == 3
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.width > 700


def test_a_list_names_the_true_classes_on_a_sheet(
    cnncli: Cnncli, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of images in a flat folder; a label that the network does not have, and an image that is not listed, are warnings."""
    monkeypatch.chdir(photos)
    images = ("a red.png", "c.bmp")
    listing = tmp_path / "list.csv"
    listing.write_text(f"path,label\n{photos}/a red.png,red\n{photos}/c.bmp,green\n")
    result = cnncli("predict", *images, "--sheet", tmp_path / "s.png", "--labels-from", listing)
    assert result.exit_code == 0, result.stderr
    assert "--labels-from" not in result.stderr
    cnncli("predict", *images, "--sheet", tmp_path / "without.png")
    counts = [_count_pixels(tmp_path / name, (0x9A, 0xD1, 0xA4)) for name in ("s.png", "without.png")]
    assert counts[0] > 100 > counts[1] == 0
    listing.write_text(f"path,label\n{photos}/a red.png,purple\n{photos}/more/d.gif,blue\n")
    result = cnncli("predict", *images, "--sheet", tmp_path / "t.png", "--labels-from", listing)
    assert "--labels-from does not list 1 of 2 images on the sheet" in result.stderr
    assert "--labels-from has 1 label that" in result.stderr
    assert "does not know, e.g. 'purple'" in result.stderr


def _count_pixels(file: Path, colour: tuple[int, int, int]) -> int:
    with Image.open(file) as picture:
        return {value: count for count, value in picture.getcolors(1 << 20) or []}.get(colour, 0)


def test_a_wrong_list_of_true_classes_is_refused_before_any_work(
    cnncli: Cnncli, photos: Path, tmp_path: Path
) -> None:
    sheet = ("--sheet", tmp_path / "s.png")
    (tmp_path / "other.csv").write_text("file,class\nc.bmp,green\n")
    for arguments, code, complaint in (
        (("--labels-from", "list.csv"), 2, "--labels-from has no effect without --sheet"),
        ((*sheet, "--labels-from", photos / "c.bmp"), 2, "the name of a list ends in .csv or .tsv"),
        ((*sheet, "--labels-from", tmp_path / "no.csv"), 1, "cannot read the list"),
        ((*sheet, "--labels-from", tmp_path / "other.csv"), 1, "with the columns path and label"),
    ):
        result = cnncli("predict", photos / "c.bmp", *arguments)
        assert (result.exit_code, result.stdout) == (code, "")
        assert complaint in result.stderr
    assert not (tmp_path / "s.png").exists()


def test_a_sheet_of_standard_input(cnncli: Cnncli, photos: Path, tmp_path: Path) -> None:
    cnncli("predict", "-", "--sheet", tmp_path / "s.png", stdin=(photos / "c.bmp").read_bytes())
    with Image.open(tmp_path / "s.png") as sheet:
        assert (0, 255, 0) in {colour for _, colour in sheet.getcolors(1 << 20) or []}


def test_quiet_and_verbose(cnncli: Cnncli, photos: Path) -> None:
    assert cnncli("predict", photos, "-q").stderr == ""
    assert "decoding thread" in cnncli("predict", photos, "-v").stderr


# ---- files


def test_the_format_follows_the_files_ending(cnncli: Cnncli, photos: Path, tmp_path: Path) -> None:
    for name in ("o.tsv", "o.csv", "o.jsonl", "o.json"):
        result = cnncli("predict", photos, "-o", tmp_path / name)
        assert result.stdout == ""
        assert "4 records, 1 of 4 images could not be read" in result.stderr
        expected = cnncli("predict", photos, "-f", name.partition(".")[2]).stdout
        assert (tmp_path / name).read_text() == expected


def test_an_existing_file_is_not_overwritten(cnncli: Cnncli, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("precious")
    result = cnncli("predict", photos, "-o", tmp_path / "o.csv")
    assert (result.exit_code, (tmp_path / "o.csv").read_text()) == (1, "precious")
    assert result.stderr.splitlines()[1] == "hint: --overwrite replaces it"
    assert cnncli("predict", photos, "-o", tmp_path / "o.csv", "--overwrite").exit_code == 3
    assert (tmp_path / "o.csv").read_text().startswith("path,")


def unfinished(cnncli: Cnncli, photos: Path, output: Path, *options: str) -> bytes:
    """A run that fails at the very last step; all that it wrote is left in the part file, and comes back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PartFile, "complete", lambda _: (_ for _ in ()).throw(OutputError("disk gone")))
        assert cnncli("predict", photos, "-o", output, *options).exit_code == 1
    return Path(f"{output}.part").read_bytes()


@pytest.mark.parametrize("format_", some_slow(["tsv", "csv", "jsonl"], ["jsonl"]))
def test_resume(cnncli: Cnncli, photos: Path, tmp_path: Path, format_: str) -> None:
    output, part = tmp_path / f"o.{format_}", tmp_path / f"o.{format_}.part"
    whole = unfinished(cnncli, photos, output, "-k", "2")
    settings = Path(f"{part}.json").read_text()
    for cut in range(0, len(whole), 19):
        part.write_bytes(whole[:cut])
        Path(f"{part}.json").write_text(settings)
        result = cnncli("predict", photos, "-o", output, "-k", "2", "--resume")
        assert output.read_bytes() == whole, cut
        assert result.exit_code == 3  # what was unreadable before counts
        assert not part.exists()
        output.unlink()


def test_exif_becomes_columns(cnncli: Cnncli, photos: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[306] = "2026:05:01 06:30:00"
    Image.new("RGB", (8, 8), "red").save(photos / "0.jpg", exif=exif)
    output = tmp_path / "o.csv"
    whole = unfinished(cnncli, photos, output, "-k", "1", "--exif")
    rows = list(csv.DictReader(io.StringIO(whole.decode())))
    assert [row["taken"] for row in rows] == ["2026-05-01T06:30:00", "", "", "", ""]
    refused = cnncli("predict", photos, "-o", output, "-k", "1", "--resume")
    assert "exif was True and is now False" in refused.stderr
    Path(f"{output}.part").write_bytes(whole[:-20])
    cnncli("predict", photos, "-o", output, "-k", "1", "--exif", "--resume")
    assert output.read_bytes() == whole
    refused = cnncli("predict", photos, "--exif")
    assert (refused.exit_code, refused.stderr.splitlines()) == (
        2,
        ["error: a tsv has no columns for --exif", "hint: use -f csv, jsonl, json or parquet"],
    )


def test_resume_refuses_another_model_and_other_settings(
    cnncli: Cnncli, photos: Path, tmp_path: Path, tiny: Path
) -> None:
    output = tmp_path / "o.csv"
    unfinished(cnncli, photos, output)
    for options in (["-k", "1"], ["--threshold", "0.5"], ["--tta"], ["-m", str(tiny)], ["--exact-decode"]):
        result = cnncli("predict", photos, "-o", output, "--resume", *options)
        assert result.exit_code == 1
        assert "cannot resume" in result.stderr
    assert "--resume continues it" in cnncli("predict", photos, "-o", output).stderr
    assert cnncli("predict", photos / "more", "-o", output, "--resume").exit_code == 1
    assert cnncli("predict", photos, "-o", output, "--resume").exit_code == 3


def test_resume_refuses_another_precision_that_auto_resolves_to(
    cnncli: Cnncli, photos: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, options = tmp_path / "o.csv", ("-m", str(tiny), "--engine", "torch", "--precision", "auto")
    monkeypatch.setattr("cnncli.engines.torch.has_bf16", lambda _device: True)
    unfinished(cnncli, photos, output, *options)
    monkeypatch.setattr("cnncli.engines.torch.has_bf16", lambda _device: False)
    refused = cnncli("predict", photos, "-o", output, "--resume", *options)
    assert "precision was bf16 and is now fp32" in refused.stderr
    monkeypatch.setattr("cnncli.engines.torch.has_bf16", lambda _device: True)
    resumed = cnncli("predict", photos, "-o", output, "--resume", "-v", *options)
    assert resumed.exit_code == 3
    assert "on cpu, bf16" in resumed.stderr


def test_resume_refuses_another_format_and_other_class_names(
    cnncli: Cnncli, photos: Path, tmp_path: Path, colours: Path
) -> None:
    output = tmp_path / "o.dat"
    content = unfinished(cnncli, photos, output, "-f", "csv")
    assert (
        "format was csv and is now jsonl"
        in cnncli("predict", photos, "-o", output, "-f", "jsonl", "--resume").stderr
    )
    renamed = Path(shutil.copytree(colours, tmp_path / "renamed"))
    card = renamed / "card.json"
    card.write_text(card.read_text().replace('"green"', '"lime"'))
    result = cnncli("predict", photos, "-o", output, "-f", "csv", "--resume", "-m", renamed)
    assert "cannot resume" in result.stderr
    assert Path(f"{output}.part").read_bytes() == content


def test_resume_of_a_complete_file_does_nothing(cnncli: Cnncli, photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "o.csv"
    cnncli("predict", photos, "-o", output)
    whole = output.read_bytes()
    result = cnncli("predict", photos, "-o", output, "--resume")
    assert (result.exit_code, output.read_bytes()) == (0, whole)
    assert "is already complete" in result.stderr


def test_a_link_stays_and_its_target_is_written(cnncli: Cnncli, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to("real.csv")
    cnncli("predict", photos, "-o", tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text().startswith("path,")


def test_a_dash_is_standard_output(cnncli: Cnncli, photos: Path) -> None:
    assert cnncli("predict", photos, "-o", "-").stdout == cnncli("predict", photos).stdout


def test_an_empty_folder_among_others_is_mentioned(cnncli: Cnncli, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = cnncli("predict", tmp_path / "empty", photos / "c.bmp")
    assert (result.exit_code, result.stderr) == (0, f"warning: no images in {tmp_path}/empty\n")


def test_resume_without_a_part_file_starts_from_the_beginning(
    cnncli: Cnncli, photos: Path, tmp_path: Path
) -> None:
    assert cnncli("predict", photos, "-o", tmp_path / "o.csv", "--resume").exit_code == 3


# ---- nothing to do, and usage


def test_without_images_no_file_is_written(cnncli: Cnncli, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("o.csv", "o.json", "o.tsv", "o.parquet"):
        assert cnncli("predict", tmp_path / "empty", "-o", tmp_path / name).exit_code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_an_existing_sheet_is_not_overwritten(cnncli: Cnncli, photos: Path) -> None:
    before = (photos / "a red.png").read_bytes()
    result = cnncli("predict", photos / "c.bmp", "--sheet", photos / "a red.png")
    assert (result.exit_code, (photos / "a red.png").read_bytes()) == (1, before)
    assert cnncli("predict", photos / "c.bmp", "--sheet", photos / "a red.png", "--overwrite").exit_code == 0
    assert (photos / "a red.png").read_bytes() != before


def test_no_images_at_all(cnncli: Cnncli, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    result = cnncli("predict", tmp_path, "-f", "json")
    assert (result.exit_code, result.stdout) == (1, "[]\n")
    assert result.stderr.startswith(f"error: no images in {tmp_path}\nhint: ")
    assert cnncli("predict", "--files-from", "-", stdin=b"").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no input given"),
        (["x", "-0"], "--null has no effect without --files-from"),
        (["-", "--files-from", "-"], "standard input can only be read once"),
        (["-", "-"], "standard input can only be read once"),
        (["x", "-f", "parquet"], "parquet is not text, so it needs a file"),
        (["x", "--resume"], "--resume has no effect without --output"),
        (["x", "-f", "table", "-o", "t"], "a table is for the terminal"),
        (["x", "-o", "t.json", "--resume"], "a json file cannot be resumed"),
        (["x", "-o", "t.csv", "--resume", "--sheet", "s.png"], "--sheet would miss"),
        (
            ["x", "--engine", "onnx", "--precision", "bf16"],
            "--engine onnx is not possible: it computes in fp32",
        ),
        (["x", "--engine", "onnx", "--device", "cuda"], "onnxruntime was not built for cuda"),
        (["x", "-k", "0"], "invalid value for '--topk'"),
        (["x", "-b", "none"], "neither 'auto' nor a number"),
        (["x", "-b", "0"], "neither 'auto' nor a number"),
        (["x", "--img-size", "0"], "is not a size"),
        (["x", "--threshold", "1.5"], "invalid value for '--threshold'"),
        (["x", "-f", "xml"], "invalid value for '--format'"),
        (["x", "--nonsense"], "no such option: --nonsense"),
    ],
)
def test_wrong_usage_is_one_line_a_hint_and_exit_code_2(
    cnncli: Cnncli, arguments: list[str], message: str
) -> None:
    result = cnncli("predict", *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines[0].startswith("error: ")
    assert message.lower() in lines[0].lower()
    assert len(lines) <= 2


def test_a_damaged_model_folder(cnncli: Cnncli, tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text("{")
    result = cnncli("predict", "x.jpg", "-m", tmp_path)
    assert result.exit_code == 1
    assert "is not JSON" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "{}/none/o.csv"], "does not exist"),
        (["-o", "{}", "--overwrite"], "it is a folder"),
        (["--sheet", "{}/none/s.png"], "does not exist"),
        (["--sheet", "{}/s.jpg"], "a sheet is a PNG"),
        (["--sheet", "{}/s.png", "-o", "{}/s.png", "-f", "tsv"], "cannot be the same file"),
        (["-o", "{}/o.xlsx"], "no output format has the ending .xlsx"),
        (["-o", "/dev/null"], "it is a device or a pipe"),
        (["-o", ""], "-o is empty"),
        (["-m", "/etc/hostname"], "is a file, not a model folder"),
        (["--files-from", "{}/none"], "cannot read the list"),
        (["--files-from", "{}", "-o", "{}/o.csv"], "it is a folder"),
        (["--files-from", "/proc/self/mem", "-o", "{}/o.csv"], "cannot read the list"),
        (["--threshold", "nan"], "not a probability"),
        (["-o", "{}/" + "x" * 300], "File name too long"),
        (["--device", "cuda:99", "-o", "{}/o.csv"], "there is no device cuda:99"),
        (["--label-style", "synset", "-o", "{}/o.csv"], "no WordNet synsets"),
    ],
)
def test_impossible_options_are_errors_before_any_work(
    cnncli: Cnncli, photos: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    result = cnncli("predict", photos, *(option.format(empty) for option in options))
    assert result.exit_code in {1, 2}
    assert message in result.stderr
    assert result.stdout == ""
    assert list(empty.iterdir()) == []


def test_debugging_shows_tracebacks(cnncli: Cnncli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CNNCLI_DEBUG", "1")
    result = cnncli("predict", "x.jpg", "-m", tmp_path / "none" / "")
    assert type(result.exception).__name__ == "ModelNotFoundError"


@pytest.mark.parametrize("ending", some_slow(["json", "csv", "parquet"], ["csv"]))
def test_a_full_disk_leaves_only_what_can_be_resumed(
    cnncli: Cnncli, tmp_path: Path, limit_file_size: Callable[[int], None], ending: str
) -> None:
    output = tmp_path / f"answers.{ending}"
    words = ["predict", *[LEMON] * 300, "-m", "pocket", "-k", "5", "-o", output]
    limit_file_size(1024 if ending == "parquet" else 4096)
    result = cnncli(*words)
    assert result.exit_code == 1
    written = f"{output}.part" if ending == "parquet" else output
    assert f"error: cannot write {written}: File too large\n" in result.stderr
    kept = sorted(file.name for file in tmp_path.iterdir())
    if ending != "csv":
        assert kept == []
        assert "hint: nothing was kept; free some space, or write to another disk with -o" in result.stderr
    else:
        assert "answers.csv.part" in kept
        assert result.stderr.endswith(
            f"hint: finished records are kept in {output}.part; free some space, then add --resume\n"
        )
