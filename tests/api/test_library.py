"""`import cnncli`: the same records as the commands, for images in any form, without torch."""

import gc
import json
import multiprocessing
import pickle
import pkgutil
import subprocess
import sys
import traceback
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageOps

import cnncli
from cnncli.api.training_options import training_options
from cnncli.networks.normalization import IMAGENET
from cnncli.records.evaluation import Evaluation
from cnncli.records.training import Schedule, TrainingProgress
from cnncli.render.finetuned import finetune_json
from tests.conftest import ROOT, Cnncli, some_slow

if TYPE_CHECKING:
    from cnncli.api.images import ImageLike
    from cnncli.api.reports import Report


@pytest.fixture
def command(request: pytest.FixtureRequest) -> Cnncli:
    """The command line, whose name is that of the package here."""
    return request.getfixturevalue("cnncli")  # type: ignore[no-any-return]


def picture(seed: int, mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def test_predictions_are_those_of_the_command(command: Cnncli, photos: Path, colours: Path) -> None:
    lines = map(json.loads, command("predict", photos, "-m", colours, "-f", "jsonl").stdout.splitlines())
    records = cnncli.load(colours).predict(photos)
    for record, line in zip(records, lines, strict=True):
        assert record.path == line["path"]
        if isinstance(record, cnncli.Unreadable):
            assert record.reason == line["reason"]
        else:
            first = line["predictions"][0]
            assert (record.label, record.labels) == (first["label"], (first["label"],))
            assert record.probability == pytest.approx(first["probability"], abs=1e-6)
            assert [score.label for score in record.scores] == [item["label"] for item in line["predictions"]]


def test_where_several_labels_can_be_right_there_is_no_first(photos: Path, colour_labels: Path) -> None:
    red, *_ = cnncli.load(colour_labels).predict(photos / "a red.png")
    assert isinstance(red, cnncli.Prediction)
    assert (red.label, red.probability) == (None, None)
    assert red.labels == tuple(score.label for score in red.scores) == ("red",)


def test_with_several_tasks_there_is_no_first_either(photos: Path, colour_tasks: Path) -> None:
    red, *_ = cnncli.load(colour_tasks).predict(photos / "a red.png")
    assert isinstance(red, cnncli.Prediction)
    assert (red.label, red.probability) == (None, None)
    assert isinstance(red.labels, tuple)
    assert {score.label for task in red.tasks for score in task.scores} >= set(red.labels) != set()


@pytest.mark.parametrize(
    "mode",
    some_slow(
        ["RGB", "L", "1", "P", "RGBA", "LA", "CMYK", "YCbCr", "HSV", "F", "I", "I;16"], ["RGB", "RGBA", "I"]
    ),
)
def test_an_image_in_memory_is_read_as_its_file(tmp_path: Path, colours: Path, mode: str) -> None:
    image = (
        picture(1, "L").convert("I").point(lambda value: value * 200)
        if mode == "I"
        else picture(1, mode if mode != "I;16" else "L")
    )
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image, np.uint16) * 200)
    file = tmp_path / ("image.tif" if mode in {"CMYK", "YCbCr", "F", "I"} else "image.png")
    (image.convert("RGB") if mode == "HSV" else image).save(file)
    classifier = cnncli.load(colours)
    from_file, from_memory = classifier.embed(file), classifier.embed(image)
    assert np.array_equal(from_file, from_memory)


def test_every_form_of_an_image(tmp_path: Path, colours: Path) -> None:
    image = picture(2)
    image.save(tmp_path / "image.png")
    pixels = np.asarray(image)
    forms: list[ImageLike] = [
        tmp_path / "image.png",
        str(tmp_path / "image.png"),
        (tmp_path / "image.png").read_bytes(),
        image,
        pixels,
    ]
    classifier = cnncli.load(colours)
    vectors = classifier.embed(forms)
    assert vectors.dtype == np.float32
    assert vectors.shape[0] == len(forms)
    assert (vectors == vectors[0]).all()
    assert [record.path for record in classifier.predict(iter(forms))][2:] == [
        "image 2",
        "image 3",
        "image 4",
    ]
    assert len(list(classifier.predict([pixels[..., 0], pixels[..., :1]]))) == 2
    assert classifier.embed([]).shape == (0, vectors.shape[1])


def test_the_orientation_of_a_pillow_image_counts(tmp_path: Path, colours: Path) -> None:
    image = picture(3)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "image.png", exif=exif)
    with Image.open(tmp_path / "image.png") as stored:
        upright = ImageOps.exif_transpose(stored)
        vectors = cnncli.load(colours).embed([tmp_path / "image.png", stored, upright])
    assert (vectors == vectors[0]).all()


def test_unreadable_images_have_no_embedding(photos: Path, colours: Path) -> None:
    vectors = cnncli.load(colours).embed(photos)
    assert np.isnan(vectors).all(axis=1).tolist() == [False, True, False, False]


@pytest.mark.parametrize(
    "wrong", [3, np.zeros((2, 4, 4, 3), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)]
)
def test_what_is_no_image_is_refused(colours: Path, wrong: object) -> None:
    with pytest.raises(cnncli.CnncliError, match="image 0 is") as refused:
        list(cnncli.load(colours).predict([wrong]))  # type: ignore[list-item]
    assert refused.value.hint
    with pytest.raises(cnncli.CnncliError, match="image 0 is of type NoneType"):
        list(cnncli.load(colours).predict(None))  # type: ignore[arg-type]


def test_records_do_not_keep_images_in_memory(colours: Path) -> None:
    records = list(cnncli.load(colours).predict(np.full((8, 8, 3), value, np.uint8) for value in range(5)))
    copies = pickle.loads(pickle.dumps(records))  # noqa: S301
    assert [record.path for record in copies] == [f"image {number}" for number in range(5)]
    gc.collect()
    arrays = [item for item in gc.get_objects() if type(item) is np.ndarray]
    assert not [array for array in arrays if array.shape == (8, 8, 3)]
    assert len(records) == 5


def test_a_classifier_can_be_pickled(photos: Path, colours: Path) -> None:
    classifier = cnncli.load(colours, topk=1, classes=["red", "blue"])
    copy = pickle.loads(pickle.dumps(classifier))  # noqa: S301 - our own
    assert list(copy.predict(photos)) == list(classifier.predict(photos))
    assert {len(record.scores) for record in copy.predict(photos / "c.bmp")} == {1}


def label_in_process(classifier: cnncli.Classifier, image: Path) -> str | None:
    (record,) = classifier.predict(image)
    assert isinstance(record, cnncli.Prediction)
    return record.label


@pytest.mark.slow
def test_worker_processes_get_a_classifier(photos: Path, colours: Path) -> None:
    classifier = cnncli.load(colours)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as workers:
        results = [workers.submit(label_in_process, classifier, photos / "c.bmp") for _ in range(4)]
        assert {result.result(60) for result in results} == {"green"}


def test_classifiers_and_streams_can_be_used_in_several_threads(photos: Path, colours: Path) -> None:
    classifiers = [cnncli.load(colours, topk=1, max_pixels=limit) for limit in (10**9, 100)] * 2
    expected = [[str(record) for record in classifier.predict(photos)] for classifier in classifiers]
    with ThreadPoolExecutor(4) as threads:
        streams = [threads.submit(list, classifier.predict([photos] * 10)) for classifier in classifiers]
    for stream, records in zip(streams, expected, strict=True):
        assert [str(record) for record in stream.result()] == records * 10
    assert expected[0] != expected[1]


def test_two_classifiers_with_different_limits(photos: Path, colours: Path) -> None:
    before = Image.MAX_IMAGE_PIXELS
    generous, strict = cnncli.load(colours, max_pixels=10**9), cnncli.load(colours, max_pixels=100)
    for wide, narrow in zip(generous.predict(photos), strict.predict(photos), strict=True):
        assert isinstance(narrow, cnncli.Unreadable) or narrow.path.endswith("d.gif")
        assert isinstance(wide, cnncli.Prediction) or "broken" in wide.path
    assert before == Image.MAX_IMAGE_PIXELS


def test_what_is_known_of_a_network(colours: Path) -> None:
    classifier = cnncli.load(colours)
    assert classifier.class_names == ("red", "green", "blue")
    assert classifier.path == colours
    assert classifier.preprocessing.channels == 3
    assert classifier.name in repr(classifier)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"engine": "onx"}, "engine='onx' is not a choice"),
        ({"threshold": 5}, "is not a probability"),
        ({"classes": ["x"]}, "x"),
        ({"classes": "x"}, "'x'"),
        ({"topk": 0}, "topk=0 is not above 0"),
        ({"batch_size": 0}, "batch_size=0 is not above 0"),
        ({"workers": -1}, "workers=-1 is not above 0"),
        ({"max_pixels": 0}, "max_pixels=0 is not above 0"),
        ({"image_size": "96"}, "image_size='96' is not a size"),
        ({"image_size": (96, 0)}, "is not a size"),
        ({"batchsize": 3}, "load has no option 'batchsize'"),
    ],
)
def test_wrong_options_are_errors(colours: Path, option: dict[str, object], message: str) -> None:
    with pytest.raises(cnncli.CnncliError, match=message):
        cnncli.load(colours, **option)  # type: ignore[arg-type]


def write_data(folder: Path) -> None:
    """Two classes of six images."""
    for name in ("red", "blue"):
        (folder / name).mkdir(parents=True)
        for number in range(6):
            Image.new("RGB", (20, 20 + number), name).save(folder / name / f"{number}.png")


def test_finetune_and_evaluate_give_records(colours: Path, tmp_path: Path) -> None:
    write_data(tmp_path / "data")
    reports: list[object] = []
    result = cnncli.finetune(
        tmp_path / "data",
        colours,
        tune="features",
        classifier="centroid",
        output=tmp_path / "run",
        progress=reports.append,
    )
    assert result.val
    assert result.val.share == 1
    assert any("12 images" in str(report) for report in reports)
    evaluation = cnncli.evaluate(tmp_path / "data", result.folder, split="all")
    assert isinstance(evaluation, Evaluation)
    assert evaluation.top1.images == 12
    with pytest.raises(cnncli.CnncliError, match="no option 'epoch'") as refused:
        cnncli.finetune(tmp_path / "data", colours, epoch=3)
    assert "epochs" in (refused.value.hint or "")
    with pytest.raises(cnncli.CnncliError, match="sgdx"):
        cnncli.finetune(tmp_path / "data", colours, tune="head", opt="sgdx")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": "3"}, "epochs='3' is not a whole number"),
        ({"epochs": 2.5}, "epochs=2.5 is not a whole number"),
        ({"epochs": True}, "epochs=True is not a whole number"),
        ({"lr": "fast"}, "lr='fast' is not a number"),
        ({"scale": "0.5,1"}, "scale='0.5,1' is not two numbers"),
        ({"scale": (0.5, 1, 2)}, "is not two numbers"),
        ({"compile": "yes"}, "compile='yes' is not True or False"),
        ({"cache_size": "1G"}, "cache_size='1G' is not a whole number"),
        ({"kd_model": 3}, "kd_model=3 is not a path"),
        ({"opt": 3}, "opt=3 is not a text"),
        ({"epochs": 0}, "--epochs must be between 1 and"),
        ({"workers": 0}, "workers=0 is not above 0"),
        ({"track": "tensorboard"}, "track='tensorboard' is not a choice"),
    ],
)
def test_wrong_options_of_training_are_errors_before_any_work(
    tmp_path: Path, colours: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(cnncli.CnncliError, match=message):
        cnncli.finetune(tmp_path / "nothing", colours, tune="head", **options)


def test_training_options_have_the_types_of_their_declarations() -> None:
    values = {"lr": "auto", "epochs": np.int64(3), "smoothing": 0, "scale": [0.5, 1], "kd_model": "net"}
    values |= {"normalize": "imagenet", "sched": "step", "cache_size": None}
    expected = {"lr": None, "epochs": 3, "smoothing": 0.0, "scale": (0.5, 1), "kd_model": Path("net")}
    expected |= {"normalize": IMAGENET, "sched": Schedule.STEP, "cache_size": None}  # type: ignore[dict-item]
    converted = training_options(values)
    assert converted == expected
    assert type(converted["epochs"]) is int


@pytest.mark.parametrize(
    ("options", "message"),
    [({"split": "x"}, "split='x' is not a choice"), ({"threshold": 3}, "threshold=3 is not a probability")],
)
def test_wrong_options_of_an_evaluation_are_errors(
    tmp_path: Path, colours: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(cnncli.CnncliError, match=message):
        cnncli.evaluate(tmp_path, colours, **options)


def test_a_traceback_shows_the_hint() -> None:
    error = cnncli.CnncliError("it failed", "mend it")
    assert "".join(traceback.format_exception(error)).endswith("it failed\nhint: mend it\n")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (copy.message, copy.hint) == ("it failed", "mend it")


def test_training_reports_its_steps_and_epochs(tmp_path: Path) -> None:
    write_data(tmp_path / "data")
    reports: list[Report] = []
    result = cnncli.finetune(
        tmp_path / "data",
        "input 3x12x12; conv3-4; maxpool 2/2; FC-2",
        epochs=2,
        amp="off",
        layout="nchw",
        output=tmp_path / "run",
        progress=reports.append,
    )
    steps = [report for report in reports if isinstance(report, TrainingProgress)]
    assert [len(step.history) for step in steps if step.images == step.total] == [0, 1, 1, 2]
    assert steps[-1].history == result.epochs
    assert str(steps[-1]).startswith("epoch 2 of 2: loss ")
    assert any(str(report).startswith("classes: 0 blue, 1 red") for report in reports)


def test_results_are_those_that_the_commands_print(command: Cnncli, tmp_path: Path, colours: Path) -> None:
    write_data(tmp_path / "data")
    arguments = ("--tune", "features", "--classifier", "centroid", "-f", "json")
    printed = command("finetune", tmp_path / "data", "-m", colours, "-o", tmp_path / "run", *arguments)
    result = cnncli.finetune(
        tmp_path / "data",
        colours,
        tune="features",
        classifier="centroid",
        output=tmp_path / "run",
        overwrite=True,
    )
    values = [json.loads(printed.stdout), json.loads(finetune_json(result))]
    for value in values:
        del value["timings"]
        for classifier in (*value["classifiers"], value["classifier"]):
            del classifier["seconds"]
    assert values[0] == values[1]
    printed = command("evaluate", tmp_path / "data", "-m", tmp_path / "run", "--split", "all", "-f", "json")
    evaluation = cnncli.evaluate(tmp_path / "data", tmp_path / "run", split="all")
    assert isinstance(evaluation, Evaluation)
    assert json.loads(printed.stdout)["top1"] == evaluation.top1.share


def test_a_summary() -> None:
    assert cnncli.summary("lenet5").anatomy.totals.parameters == 61_706
    with pytest.raises(cnncli.CnncliError, match="blueprint"):
        cnncli.summary("lenet5", num_classes=5)  # a blueprint says how many there are


def test_the_import_loads_nothing_and_predicting_needs_no_torch(colours: Path, photos: Path) -> None:
    script = (
        "import sys; before = set(sys.modules); import cnncli; new = set(sys.modules) - before\n"
        "assert {name for name in new if not name.startswith('cnncli')} <= {'os', '__future__'}, new\n"
        f"print([r.label for r in cnncli.load({str(colours)!r}).predict({str(photos / 'c.bmp')!r})])\n"
        "assert not {'torch', 'typer', 'timm', 'sklearn'} & set(sys.modules)\n"
        "assert set(cnncli.__all__) <= set(dir(cnncli))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (result.stdout, result.stderr) == ("['green']\n", "")


def test_no_public_name_is_that_of_a_module() -> None:
    modules = {module.name for module in pkgutil.iter_modules(cnncli.__path__)}
    assert not modules & set(cnncli.__all__)
    assert all(getattr(cnncli, name) for name in cnncli.__all__)
    with pytest.raises(AttributeError, match="no attribute 'predictor'"):
        cnncli.predictor  # noqa: B018


def test_a_notebook_shows_a_table_and_takes_nothing_away(photos: Path, colours: Path) -> None:
    odd = "<b>x.png"
    Image.new("RGB", (9, 9), "red").save(photos / odd)
    records = cnncli.load(colours).predict(photos)
    html = records._repr_html_()
    assert html.count("<tr>") == 6
    assert html.count("<img") == 4
    assert "&lt;b&gt;x.png" in html
    assert "cannot be read" in html
    assert len(list(records)) == 5
    many = cnncli.load(colours).predict([photos / "c.bmp"] * 30)
    assert "there are more" in many._repr_html_()
    assert len(list(many)) == 30
