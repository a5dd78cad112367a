"""`cnncli summary`: the numbers of the course, through the command line's JSON; tables; refusals."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cnncli

Json = Any
Summary = Callable[..., Json]


@pytest.fixture
def summary(cnncli: Cnncli) -> Summary:
    def run(*arguments: str) -> Json:
        result = cnncli("summary", *arguments, "--format", "json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return run


def layer(actual: Json, name: str) -> Json:
    return next(row for row in actual["layers"] if row["name"] == name)


# ---- worked numbers


@pytest.mark.parametrize(
    ("text", "options", "output", "parameters"),
    [
        ("input 3x32x32; conv5-1 valid", [], [1, 1, 28, 28], 76),
        ("input 3x32x32; conv5-6 valid", [], [1, 6, 28, 28], 456),
        ("input 1x32x32; conv5-1 valid", [], [1, 1, 28, 28], 26),
        ("input 3x64x64; conv3-8 pad 1", [], [1, 8, 64, 64], 224),
        ("input 3x63x63; conv3-8/2 pad 1", [], [1, 8, 32, 32], 224),
        ("input 16x50x100; conv3x5-33 stride 2x1 pad 4x2", ["-b", "20"], [20, 33, 28, 100], 7_953),
        (
            "input 16x50x100; conv3x5-33 stride 2x1 pad 4x2 dilation 3x1",
            ["-b", "20"],
            [20, 33, 26, 100],
            7_953,
        ),
        ("input 16x50; conv1d3-33/2 valid", ["-b", "20"], [20, 33, 24], 1_617),
        ("input 10x28x28; conv5-20 nobias", [], [1, 20, 28, 28], 5_000),
    ],
)
def test_one_convolution(
    summary: Summary,
    text: str,
    options: list[str],
    output: list[int],
    parameters: int,
) -> None:
    actual = summary(text, *options)
    assert layer(actual, "conv1")["output"] == [output]
    assert actual["totals"]["parameters"] == parameters


def test_a_chain_of_strided_convolutions(summary: Summary) -> None:
    actual = summary("input 1x128x128; repeat 3 { conv5-1/2 valid }")
    assert [row["output"][0][-1] for row in actual["layers"]] == [62, 29, 13]  # one course prints 12: a slip


def test_a_bottleneck(summary: Summary) -> None:
    actual = summary("input 10x28x28; conv1-4 nobias; conv5-20 nobias")
    assert [row["weights"] for row in actual["layers"]] == [40, 2_000]


def test_the_two_exercise_networks(summary: Summary) -> None:
    assert summary("exercise-fc")["totals"]["parameters"] == 1_091_024
    assert layer(summary("input 1x64x64; FC-128"), "fc1")["weights"] == 524_288
    actual = summary("exercise-conv", "--only", "conv")
    assert [row["output"][0][2:] for row in actual["layers"]] == [[60, 60], [56, 56], [52, 52]]
    assert actual["totals"]["parameters"] == 705_488


# ---- networks


def test_lenet5(summary: Summary) -> None:
    actual = summary("lenet5")
    assert actual["input"] == [1, 1, 32, 32]
    assert [layer(actual, f"conv{i}")["output"][0][1] for i in (1, 2)] == [6, 16]
    assert [layer(actual, f"conv{i}")["kernel"] for i in (1, 2)] == [[5, 5], [5, 5]]
    assert [layer(actual, f"fc{i}")["output"][0][1] for i in (1, 2, 3)] == [120, 84, 10]
    assert actual["totals"]["parameters"] == 61_706


def test_the_courses_cifar_network(summary: Summary) -> None:
    actual = summary("course-cifar10")
    counts = [row["parameters"] for row in actual["layers"] if row["parameters"]]
    assert counts == [896, 3_686_912, 5_130]
    assert actual["totals"]["parameters"] == 3_692_938


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("torchvision/alexnet", 61_100_840), ("alexnet-one-tower", 61_100_840), ("alexnet-2012", 60_965_224)],
)
def test_alexnet(summary: Summary, name: str, parameters: int) -> None:
    actual = summary(name)
    assert actual["totals"]["parameters"] == parameters
    assert actual["layers"][0]["kernel"] == [11, 11]
    assert actual["totals"]["depth"] == 8


def test_alexnets_towers(summary: Summary) -> None:
    actual = summary("alexnet-2012", "--only", "conv")
    assert [row["groups"] for row in actual["layers"]] == [1, 2, 1, 2, 2]
    assert summary("alexnet-2012", "--only", "response")["layers"]


@pytest.mark.parametrize(
    ("name", "millions", "depth"),
    [("vgg-a", 133, 11), ("vgg-a-lrn", 133, 11), ("vgg-b", 133, 13), ("vgg-c", 134, 16), ("vgg-d", 138, 16), ("vgg-e", 144, 19)],
)  # fmt: skip
def test_vgg(summary: Summary, name: str, millions: int, depth: int) -> None:
    actual = summary(name)
    assert round(actual["totals"]["parameters"] / 1e6) == millions
    assert actual["totals"]["depth"] == depth
    pools = [row["output"][0][-1] for row in actual["layers"] if row["type"] == "MaxPool2d"]
    assert [224, *pools] == [224, 112, 56, 28, 14, 7]
    assert layer(actual, "fc1")["input"] == [[1, 25_088]]


def test_googlenet(summary: Summary) -> None:
    """Weights without biases, multiply-adds in millions, output; the paper's own slips are not repeated."""
    actual = summary("googlenet-2014", "--depth", "1")
    table = {
        "1": (163_328, 128, [256, 28, 28]),
        "2": (388_096, 304, [480, 28, 28]),
        "3": (375_552, 73.6, [512, 14, 14]),
        "4": (448_512, 88, [512, 14, 14]),
        "5": (509_440, 100, [512, 14, 14]),
        "6": (604_672, 119, [528, 14, 14]),
        "7": (867_328, 170, [832, 14, 14]),
        "8": (1_042_432, 51, [832, 7, 7]),
        "9": (1_442_816, 71, [1024, 7, 7]),
    }
    for number, (weights, millions, output) in table.items():
        row = layer(actual, f"inception{number}")
        assert row["weights"] == weights
        assert row["multiply_adds"] / 1e6 == pytest.approx(millions, abs=0.55)
        assert row["output"] == [[1, *output]]
    first = layer(actual, "conv1")
    assert (first["weights"], round(first["multiply_adds"] / 1e6)) == (9_408, 118)
    second = [layer(actual, name) for name in ("conv2", "conv3")]
    assert sum(row["weights"] for row in second) == 114_688
    assert round(sum(row["multiply_adds"] for row in second) / 1e6) == 360
    assert layer(actual, "fc1")["weights"] == 1_024_000
    assert [row["name"] for row in actual["layers"] if row["call"] is None] == ["aux1", "aux2"]
    heads = sum(layer(actual, name)["parameters"] for name in ("aux1", "aux2"))
    assert actual["totals"]["parameters"] == 13_378_280
    assert actual["totals"]["parameters"] - heads == 6_998_552
    assert actual["totals"]["depth"] == 22


@pytest.mark.slow
def test_resnets_and_the_plain_network(summary: Summary) -> None:
    plain, zeros, projected = (summary(name)["totals"] for name in ("plain34", "resnet34-2015", "resnet34"))
    assert (plain["parameters"], plain["multiply_adds"]) == (21_623_848, 3_644_493_824)
    assert (zeros["parameters"], zeros["multiply_adds"]) == (21_623_848, 3_644_493_824)  # identity adds none
    assert (projected["parameters"], projected["multiply_adds"]) == (21_797_672, 3_663_761_408)
    assert [summary(f"resnet{depth}")["totals"]["depth"] for depth in (18, 34, 50)] == [18, 34, 50]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["inception_v3", "inception_resnet_v2"])
def test_networks_for_299_pixels(summary: Summary, name: str) -> None:
    assert summary(name)["input"] == [1, 3, 299, 299]


# ---- what is printed


def test_the_table_adds_up(cnncli: Cnncli) -> None:
    text = cnncli("summary", "torchvision/vgg16", "--columns", "name,params").stdout
    _, body, totals = text.split("\n\n")
    numbers = [int(line.split()[-1].replace(",", "")) for line in body.splitlines()[1:] if "," in line]
    assert sum(numbers) == 138_357_544
    assert "parameters      138,357,544\n" in totals
    assert "multiply-adds   15,470,264,320 (30.9G FLOPs)\n" in totals
    assert "depth           16 weight layers\n" in totals


def test_all_formats_agree(cnncli: Cnncli, summary: Summary) -> None:
    actual = summary("lenet5")
    rows = list(csv.DictReader(io.StringIO(cnncli("summary", "lenet5", "-f", "csv").stdout)))
    assert [row["name"] for row in rows] == [row["name"] for row in actual["layers"]]
    assert [int(row["parameters"]) for row in rows] == [row["parameters"] for row in actual["layers"]]
    assert rows[0]["kernel"] == "5x5"
    assert rows[0]["output"] == "1x6x28x28"
    lines = cnncli("summary", "lenet5", "-f", "markdown").stdout.splitlines()
    assert lines[2].startswith("| layer | type | kernel |")
    assert sum(line.startswith("| ") for line in lines) == len(rows) + 2


def test_several_networks_side_by_side(cnncli: Cnncli, summary: Summary) -> None:
    names = ["torchvision/alexnet", "resnet18", "lenet5"]
    lines = cnncli("summary", *names).stdout.splitlines()
    assert len(lines) == 6
    assert "timm does not publish it" in lines[5]
    assert lines[1].split()[-1] == "56.5"
    assert "top-1" not in cnncli("summary", "lenet5", "input 4; FC-3").stdout
    assert [actual["totals"]["parameters"] for actual in summary(*names)] == [61_100_840, 11_689_512, 61_706]


@pytest.mark.slow
def test_options_change_what_is_counted(summary: Summary) -> None:
    usual = summary("resnet18")["totals"]
    larger = summary("resnet18", "--img-size", "448")["totals"]
    assert larger["parameters"] == usual["parameters"]
    assert larger["multiply_adds"] == pytest.approx(4 * usual["multiply_adds"], rel=0.01)
    half = summary("resnet18", "--dtype", "float16")["totals"]
    assert 2 * half["activation_bytes"] == usual["activation_bytes"]
    assert (
        half["peak_activation_bytes"] < usual["peak_activation_bytes"]
    )  # the indices of max pooling stay int64
    double = summary("resnet18", "--batch-size", "2")["totals"]
    assert double["multiply_adds"] == 2 * usual["multiply_adds"]
    grey = summary("resnet18", "--channels", "1", "--num-classes", "10")
    assert layer(grey, "conv1")["weights"] == 64 * 49
    assert layer(grey, "fc")["output"] == [[1, 10]]
    largest = summary("resnet18", "--sort", "params")["layers"]
    assert [row["parameters"] for row in largest] == sorted(
        (row["parameters"] for row in largest), reverse=True
    )


def test_explain_shows_the_arithmetic(cnncli: Cnncli) -> None:
    text = cnncli("summary", "torchvision/vgg16", "--explain", "features.0").stdout
    assert "(224 - 3 + 2*1)/1 + 1 = 224" in text
    assert "3*3*3*64 + 64 = 1,792" in text
    assert "1 + (3 - 1)*1 = 3" in text
    everything = cnncli("summary", "torchvision/vgg16", "--explain").stdout
    assert everything.count("weights") == 0
    assert "25088*4096 + 4096 = 102,764,544" in everything
    assert "floor((224 - 7 + 2*3)/2) + 1 = 112" in cnncli("summary", "resnet18", "--explain", "conv1").stdout


def test_model_folders_and_blueprint_files(
    summary: Summary, tiny: Path, tmp_path: Path, cnncli: Cnncli
) -> None:
    assert summary(str(tiny))["totals"]["parameters"] == 469_688
    file = tmp_path / "my net.cnn"
    file.write_text("input 3x32x32\nconv3-8\nFC-2\n")
    assert summary(str(file))["totals"]["parameters"] == 224 + 8 * 32 * 32 * 2 + 2
    assert cnncli("summary", file, "--show-blueprint").stdout == file.read_text()
    assert "WEIGHT LAYERS" in cnncli("summary", "--help-blueprint").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        ([], 2, "no network given"),
        (["resnt50"], 1, "no network is called 'resnt50'"),
        (["lenet5", "--columns", "name,speed"], 2, "no column is called speed"),
        (["lenet5", "--columns", "name", "-f", "csv"], 2, "--columns applies to tables only"),
        (["lenet5", "mlp", "--depth", "1"], 2, "compared by their totals"),
        (["lenet5", "--only", "lstm"], 2, "no layer's type contains lstm"),
        (["lenet5", "--sort", "beauty"], 2, "cannot sort by 'beauty'"),
        (["lenet5", "--explain", "conv7"], 2, "no layer is called 'conv7'"),
        (["lenet5", "--img-size", "0"], 2, "is not a size"),
        (["lenet5", "--img-size", "-3"], 2, "is not a size"),
        (["lenet5", "--img-size", "99999"], 2, "is too large"),
        (
            ["lenet5", "--img-size", "11"],
            1,
            "conv5-16 valid: a kernel that spans 5 pixels does not fit into 3",
        ),
        (["torchvision/alexnet", "--img-size", "60"], 1, "features.12 (MaxPool2d):"),
        (["torchvision/alexnet", "--channels", "1"], 2, "takes 3 channels"),
        (["lenet5", "--channels", "3"], 2, "no effect on a blueprint"),
        (["lenet5", "--batch-size", "0"], 2, "0 is not between 1 and"),
        (
            ["input 3x8x8; conv3-4; residual { conv3-4 valid }; FC-2"],
            1,
            "residual: no stride of the shortcut reduces 4x8x8 to 4x6x6",
        ),
        (
            ["input 3x8x8; maxpool 9; FC-2"],
            1,
            "maxpool 9: a kernel that spans 9 pixels does not fit into 8",
        ),
        (["./nothing.cnn"], 1, "cannot read the blueprint ./nothing.cnn"),
        (["resnet50", "--show-blueprint"], 1, "resnet50 is not a blueprint"),
        (
            ["lenet5", "--show-blueprint", "--num-classes", "3", "--sort", "params"],
            2,
            "--sort, --num-classes: no effect with --show-blueprint",
        ),
        (["lenet5", "--show-blueprint", "-f", "json"], 2, "--format json does not work with"),
        (["lenet5", "--explain", "-f", "csv"], 2, "--format csv does not work with"),
        (["lenet5", "--only", ","], 2, "--only ',' is empty"),
        (["conv3-8; FC-10"], 1, "a blueprint begins with its input"),
        (["xcit_nano_12_p16_224", "--img-size", "225"], 1, "does not accept 225 x 225 pixels"),
    ],
)
def test_invalid_arguments_are_errors(
    cnncli: Cnncli, arguments: list[str], code: int, complaint: str
) -> None:
    result = cnncli("summary", *arguments)
    assert complaint in result.stderr
    assert result.exit_code == code
    assert len(result.stderr.splitlines()) <= 2
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("model", "size", "smallest"),
    [
        ("vgg-d", 8, 32),
        pytest.param("test_vit", 161, 16, marks=pytest.mark.slow),  # accepts multiples only
        pytest.param("torchvision/alexnet", 60, 63, marks=pytest.mark.slow),
        pytest.param("vit_tiny_patch16_224", 8, 16, marks=pytest.mark.slow),  # built anew for each size
    ],
)
def test_the_smallest_possible_input_size_is_named(
    cnncli: Cnncli, model: str, size: int, smallest: int
) -> None:
    result = cnncli("summary", model, "--img-size", str(size))
    assert result.exit_code == 1
    assert (
        f"hint: the smallest square size that works is {smallest}; the network's own size is "
        in result.stderr
    )
    assert cnncli("summary", model, "--img-size", str(smallest)).exit_code == 0


def test_show_blueprint_prints_a_blueprint(cnncli: Cnncli, tmp_path: Path) -> None:
    small = cnncli("summary", "vgg-a", "--show-blueprint", "--img-size", "64").stdout
    assert small.startswith("input 3x64x64\n")
    explosive = tmp_path / "explosive.cnn"
    explosive.write_text(
        "input 3x8x8\n" + "repeat 300 { residual { " * 3 + "relu" + " }; relu }" * 3 + "\nFC-2"
    )
    refused = cnncli("summary", str(explosive), "--show-blueprint")
    assert (refused.exit_code, "more than 10,000 layers" in refused.stderr) == (1, True)


def test_layers_are_explained_wherever_they_are(cnncli: Cnncli) -> None:
    block = cnncli("summary", "resnet18", "--depth", "1", "--explain", "layer1.0").stdout
    assert "layer1.0  BasicBlock" in block
    assert "73,984" in block  # 2 (3*3*64*64) and the norms' 2 (64 + 64)
    aside = cnncli("summary", "googlenet-2014", "--explain", "aux1").stdout
    assert aside == "aux1  (not called)\n  parameters              3,188,840\n"
    uneven = cnncli("summary", "input 16x50x100; conv3x5-33/2x1; FC-2", "--explain", "conv1").stdout
    assert "receptive field height  1 + (3 - 1)*1 = 3" in uneven
    assert "receptive field width   1 + (5 - 1)*1 = 5" in uneven


def test_several_networks_give_one_csv_table(cnncli: Cnncli) -> None:
    rows = list(csv.DictReader(io.StringIO(cnncli("summary", "lenet5", "mlp", "-f", "csv").stdout)))
    assert {row["model"] for row in rows} == {"lenet5", "mlp"}
    assert sum(int(row["parameters"]) for row in rows if row["model"] == "lenet5") == 61_706


def test_training_memory_or_the_reason_why_it_is_unknown(cnncli: Cnncli, summary: Summary) -> None:
    alone = cnncli("summary", "resnest14d").stdout
    assert "training unknown: batch normalisation needs at least two images (-b 2)" in alone
    assert summary("resnest14d", "-b", "2")["totals"]["training_activation_bytes"] > 0
    assert (
        "13,378,280 (6,998,552 without modules that are never called)"
        in cnncli("summary", "googlenet-2014").stdout
    )


@pytest.mark.parametrize("name", ["squeezenet1_0", "torchvision/resnet18", "resnet18.tv_in1k"])
def test_imagenet_accuracy_belongs_to_the_size_of_the_weights(summary: Summary, name: str) -> None:
    assert summary(name)["top1"] == summary(name, "--img-size", "224")["top1"] > 50
    assert summary(name, "--img-size", "97x201")["top1"] is None
