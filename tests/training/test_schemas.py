"""A run's settings, manifest and history are read by every schema number; runs without one get one clear line."""

import json
import shutil
from pathlib import Path

import pytest

from cnncli.errors import CnncliError, DataError, TrainingError, UsageError
from cnncli.records.data import DataSet
from cnncli.records.training import Epoch, Tune
from cnncli.training.history import HISTORY, read_history, write_history
from cnncli.training.manifest import MANIFEST, RunManifest, load_manifest, save_manifest
from cnncli.training.run_folder import CHECKPOINTS
from cnncli.training.settings_file import SETTINGS, RecordedSettings, read_settings
from tests.conftest import Cnncli

SCHEMAS = Path(__file__).parent / "schemas"


@pytest.fixture(params=[1])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A run of each schema number."""
    (tmp_path / CHECKPOINTS).mkdir()
    shutil.copy(SCHEMAS / f"settings-{request.param}.toml", tmp_path / SETTINGS)
    shutil.copy(SCHEMAS / f"history-{request.param}.csv", tmp_path / HISTORY)
    shutil.copy(SCHEMAS / f"manifest-{request.param}.json", tmp_path / CHECKPOINTS / MANIFEST)
    return tmp_path


def test_settings_of_every_schema_are_read(run: Path) -> None:
    settings = read_settings(run / SETTINGS)
    assert settings.options["data"] == "/photos/shades"
    assert settings.options["sched"] == "step"
    assert settings.options.keys().isdisjoint({"schema", "provenance", "versions"})
    assert settings.base_model == "base"
    assert settings.weights == "random weights, all of it trained on shades for 2 epochs"
    assert settings.data_digest
    assert len(settings.data_digest) == 64
    assert settings.versions["torch"] == "2.14.1"


def test_config_reads_settings_of_every_schema(run: Path, cnncli: Cnncli) -> None:
    """The schema number is no option: only the data of this run are missing here."""
    result = cnncli("finetune", "-c", run / SETTINGS, "-o", run / "again", "-m", "pocket")
    assert result.exit_code == 1
    assert "/photos/shades does not exist" in result.stderr


def test_history_of_every_schema_is_read(run: Path) -> None:
    first, second = read_history(run)
    assert first == Epoch(1, 0.000225, 0.215154, 1, 0.0303731, 1, 0.100961, 93.6847)
    assert second.number == 2


def test_history_of_schema_2_has_the_balanced_accuracy(tmp_path: Path) -> None:
    shutil.copy(SCHEMAS / "history-2.csv", tmp_path / HISTORY)
    history = read_history(tmp_path)
    assert [epoch.val_balanced for epoch in history] == [0.722, 0.898, None]
    write_history(tmp_path, history)
    assert read_history(tmp_path) == history


def test_history_of_schema_3_has_the_scores_of_tasks(tmp_path: Path) -> None:
    shutil.copy(SCHEMAS / "history-3.csv", tmp_path / HISTORY)
    history = read_history(tmp_path)
    assert [epoch.val_scores for epoch in history] == [(0.9, 0.822), (0.898, None)]
    assert [epoch.selection_score for epoch in history] == [0.861, 0.898]
    write_history(tmp_path, history, load_manifest_3(tmp_path).card.tasks)
    assert (tmp_path / HISTORY).read_text() == (SCHEMAS / "history-3.csv").read_text()


def load_manifest_3(run: Path) -> RunManifest:
    (run / CHECKPOINTS).mkdir(exist_ok=True)
    shutil.copy(SCHEMAS / "manifest-3.json", run / CHECKPOINTS / MANIFEST)
    return load_manifest(run)


def test_manifest_of_schema_3_has_tasks(tmp_path: Path) -> None:
    manifest = load_manifest_3(tmp_path)
    assert [task.name for task in manifest.card.tasks] == ["colour", "place"]
    assert manifest.feature_score == 0.75
    assert manifest.unreadable[0].answers == ((1,), None)
    written = json.loads((tmp_path / CHECKPOINTS / MANIFEST).read_text())
    del written["may_stop_early"]  # of earlier versions
    save_manifest(tmp_path, manifest)
    assert json.loads((tmp_path / CHECKPOINTS / MANIFEST).read_text()) == written


@pytest.mark.parametrize("number", [1, 2])
def test_manifest_of_every_schema_is_read(run: Path, number: int) -> None:
    shutil.copy(SCHEMAS / f"manifest-{number}.json", run / CHECKPOINTS / MANIFEST)
    manifest = load_manifest(run)
    assert (manifest.tune, manifest.epochs, manifest.base_model) == (Tune.FULL, 2, "base")
    assert manifest.card.class_names == ("cold", "warm")
    assert manifest.feature_accuracy
    assert manifest.feature_accuracy.correct == 2
    (sample,) = manifest.with_unreadable(DataSet("shades", manifest.root, ("cold", "warm"), ())).samples
    assert sample.path == "/photos/shades/warm/broken.png"
    assert list(manifest.unreadable_reasons()) == [sample.path]


def test_written_settings_history_and_manifest_are_read_back(run: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    settings, history, manifest = read_settings(run / SETTINGS), read_history(run), load_manifest(run)
    settings.write(tmp_path / "new")
    write_history(tmp_path / "new", history)
    save_manifest(tmp_path / "new", manifest)
    assert read_settings(tmp_path / "new" / SETTINGS) == settings
    assert read_history(tmp_path / "new") == history
    assert load_manifest(tmp_path / "new") == manifest


def test_a_hand_written_settings_file_needs_no_schema(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("epochs = 3\n")
    assert read_settings(tmp_path / "mine.toml") == RecordedSettings({"epochs": 3})


@pytest.mark.parametrize(
    ("file", "content", "error", "complaint"),
    [
        (SETTINGS, "seed = 0\n[made]\ntorch = '2'\n", UsageError, "was written before cnncli 0.1.0"),
        (SETTINGS, "seed = 0\n[provenance]\nweights = 'x'\n", UsageError, "it has no schema number"),
        (SETTINGS, "schema = 99\n", UsageError, "its schema number is 99, and this cnncli reads up to 1"),
        (SETTINGS, "schema = [1]\n", UsageError, "which is not a whole number"),
        (SETTINGS, "schema = true\n", UsageError, "which is not a whole number"),
        (SETTINGS, "schema = 1\nprovenance = 3\n", UsageError, "provenance is not a table"),
        (HISTORY, "number,lr\n1,0.1\n", DataError, "it was written before cnncli 0.1.0"),
        (
            HISTORY,
            "epoch,schema\n1,99\n",
            DataError,
            "its schema number is 99, and this cnncli reads up to 3",
        ),
        (SETTINGS, "a = " + "[" * 50_000, UsageError, "are not TOML"),
        (f"{CHECKPOINTS}/{MANIFEST}", "[" * 100_000, TrainingError, "cannot be read"),
        (f"{CHECKPOINTS}/{MANIFEST}", "{}", TrainingError, "it has no schema number"),
        (f"{CHECKPOINTS}/{MANIFEST}", '{"schema": 99}', TrainingError, "its schema number is 99, and this"),
        (f"{CHECKPOINTS}/beginning.json", '{"format": 1}', TrainingError, "was started before cnncli 0.1.0"),
    ],
)
def test_other_schemas_get_one_clear_line(
    tmp_path: Path, file: str, content: str, error: type[CnncliError], complaint: str
) -> None:
    (tmp_path / CHECKPOINTS).mkdir()
    (tmp_path / file).write_text(content)
    with pytest.raises(error, match=complaint) as refused:
        if file == SETTINGS:
            read_settings(tmp_path / SETTINGS)
        elif file == HISTORY:
            read_history(tmp_path)
        else:
            load_manifest(tmp_path)
    assert "\n" not in refused.value.message


@pytest.fixture
def first_run(tmp_path: Path) -> tuple[Path, Path]:
    """A run with schema 1 of everything and checkpoint format 2, and the data it was trained on."""
    shutil.copytree(SCHEMAS / "run-1", tmp_path / "first")
    run, data = tmp_path / "first" / "run", tmp_path / "first" / "data"
    for file in (run / SETTINGS, run / CHECKPOINTS / MANIFEST):
        file.write_text(file.read_text().replace('"DATA"', json.dumps(str(data))))
    return run, data


@pytest.mark.slow
def test_a_run_of_the_first_schemas_resumes(cnncli: Cnncli, first_run: tuple[Path, Path]) -> None:
    run, _ = first_run
    result = cnncli("finetune", "--resume", run, "--epochs", 2, "-f", "json")
    assert result.exit_code == 0, result.stderr
    assert [epoch["epoch"] for epoch in json.loads(result.stdout)["epochs"]] == [1, 2]


def test_a_run_of_the_first_schemas_is_evaluated_on_its_val_split(
    cnncli: Cnncli, first_run: tuple[Path, Path]
) -> None:
    run, data = first_run
    result = cnncli("evaluate", data, "-m", run, "-f", "json")
    assert result.exit_code == 0, result.stderr
    output = json.loads(result.stdout)
    assert (output["split"], output["images"]) == ("val", 2)


def test_a_run_with_a_damaged_table_is_not_changed_by_a_resume(
    cnncli: Cnncli, first_run: tuple[Path, Path]
) -> None:
    run, _ = first_run
    (run / "splits.csv").write_text("path,label\n")
    manifest = (run / CHECKPOINTS / MANIFEST).read_bytes()
    assert cnncli("finetune", "--resume", run, "--epochs", 2).exit_code == 1
    assert (run / CHECKPOINTS / MANIFEST).read_bytes() == manifest


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_settings_in_the_encodings_of_windows(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "settings.toml").write_bytes('epochs = 1\r\noutput = "Läufe"\r\n'.encode(encoding))
    assert read_settings(tmp_path / "settings.toml").options == {"epochs": 1, "output": "Läufe"}


@pytest.mark.parametrize("name", [CHECKPOINTS, "tensorboard"])
def test_nothing_is_written_through_links_in_a_run(
    cnncli: Cnncli, first_run: tuple[Path, Path], tmp_path: Path, name: str
) -> None:
    run, elsewhere = first_run[0], tmp_path / "elsewhere"
    if (run / name).exists():
        (run / name).rename(elsewhere)
    else:
        elsewhere.mkdir()
    (run / name).symlink_to(elsewhere)
    before = {path: path.read_bytes() for path in elsewhere.iterdir()}
    result = cnncli("finetune", "--resume", run, "--epochs", 2)
    assert result.exit_code == 1
    assert f"{name} is a link, through which nothing is written" in result.stderr
    assert {path: path.read_bytes() for path in elsewhere.iterdir()} == before
