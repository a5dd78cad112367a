"""Fine-tuning a network that is cut at an inner layer."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cnncli.engines.select import open_engine
from cnncli.errors import TrainingError, UsageError
from cnncli.networks.model_folder import ModelFolder, open_folder
from cnncli.records.data import DataSet
from cnncli.records.engines import EngineName, EngineOptions
from cnncli.records.progress import NullProgress
from cnncli.records.training import ClassifierName, Tune
from cnncli.training import run
from cnncli.training.network import checkpoints
from cnncli.training.network.initial import from_weights
from cnncli.training.resume import resume
from cnncli.training.settings import FeatureSettings
from tests.conftest import some_slow
from tests.training.small_runs import (
    DRAWN,
    Killed,
    kill_before,
    no_bar,
    no_show,
    resume_run,
    settings_for,
    start_run,
    train_run,
)

INSIDE = "network."
LAYER = "layer2"


def train_classifier(data: Path, model: Path, layer: str | None = None, **changes: Any) -> ModelFolder:
    """The model folder of a classifier on the features of a cut network."""
    settings = settings_for(data, str(model), Tune.FULL)
    shared: dict[str, Any] = {"data": data, "reference": settings.reference, "layer": layer, "workers": 2}
    defaults = {"classifier": ClassifierName.CENTROID, "output": data.parent / "features"}
    result = run.finetune(
        FeatureSettings(**(shared | defaults | changes)), NullProgress(), no_bar, no_show, is_offline=True
    )
    assert result
    return open_folder(Path(result.folder))


def outputs(folder: ModelFolder, engine: EngineName, layer: str | None = None) -> Any:
    pixels = np.random.default_rng(0).normal(size=(3, 3, 64, 64)).astype(np.float32)
    return open_engine(folder, EngineOptions(engine), NullProgress(), layer=layer).run(pixels)


def layers_of(folder: ModelFolder) -> set[str]:
    """The first parts of the names of its weights."""
    return {name.removeprefix(INSIDE).partition(".")[0] for name in load_file(folder.weights)}


def test_a_classifier_on_the_output_of_a_layer(data: Path, tiny: Path) -> None:
    """Its embedding is what `features --layer` gives, on both engines, and later layers are gone."""
    folder = train_classifier(data, tiny, LAYER)
    expected = outputs(open_folder(tiny), EngineName.TORCH, LAYER).embeddings
    results = [outputs(folder, engine) for engine in (EngineName.ONNX, EngineName.TORCH)]
    for result in results:
        assert np.allclose(result.embeddings, expected, atol=1e-5)
        assert result.logits.shape == (3, 3)
    assert np.allclose(results[0].logits, results[1].logits, atol=1e-4)
    assert layers_of(folder) == {"conv1", "bn1", "layer1", LAYER, "head"}
    graph = folder.require_graph().stat().st_size
    assert graph < open_folder(tiny).require_graph().stat().st_size


@pytest.mark.slow
def test_a_new_classifier_has_nothing_of_the_tasks_of_the_network_before(
    data: Path, layers_tasks: Path
) -> None:
    for layer, folder in {None: "whole", "conv1": "cut"}.items():
        card = train_classifier(data, layers_tasks, layer, output=data.parent / folder).card
        assert (card.tasks, card.class_names) == ((), ("cold", "green", "warm"))
    started = from_weights(open_folder(layers_tasks), None, DataSet("d", "d", ("a", "b"), ()), 0.0)
    assert (started.card.tasks, started.card.class_names) == ((), ("a", "b"))


@pytest.mark.slow
def test_a_cut_network_is_fine_tuned_further_and_cut_again(data: Path, tiny: Path) -> None:
    first = train_classifier(data, tiny, LAYER)
    again = train_classifier(data, first.path, output=data.parent / "again")
    assert np.array_equal(load_file(first.weights)["head.weight"].shape, (3, again.card.embedding.size))
    assert layers_of(again) == layers_of(first)
    names = [f"{INSIDE}layer1", "layer1"]
    earlier = [train_classifier(data, first.path, name, output=data.parent / name) for name in names]
    assert [layers_of(folder) for folder in earlier] == [{"conv1", "bn1", "layer1", "head"}] * 2
    assert earlier[0].digest == earlier[1].digest
    with pytest.raises(UsageError, match="layer3 depends on weights that features no longer has"):
        train_classifier(data, first.path, "layer3", output=data.parent / "later")
    neighbours = train_classifier(data, first.path, classifier=ClassifierName.KNN, output=data.parent / "knn")
    assert outputs(neighbours, EngineName.ONNX).logits.shape == (3, 3)
    with pytest.raises(UsageError, match="nearest-neighbour classifier, which cannot be trained further"):
        train_classifier(data, neighbours.path, "layer1", output=data.parent / "never")


@pytest.mark.parametrize("tune", some_slow([Tune.HEAD, Tune.LAST, Tune.FULL, Tune.SCRATCH], [Tune.LAST]))
def test_an_interrupted_run_ends_bit_for_bit_like_another(
    data: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch, tune: Tune
) -> None:
    options: dict[str, Any] = {"layer": LAYER, "model_ema_decay": 0.9, "drop": 0.2, "lr": 0.01}
    if tune in {Tune.LAST, Tune.FULL}:
        options |= {"stages": 1, "classifier": ClassifierName.CENTROID}
    settings = settings_for(data, str(tiny), tune, **options)
    whole = train_run(settings)
    folder = start_run(settings)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(checkpoints, "_SAVE_EVERY", 0.0)
        patch.setattr(checkpoints, "_SAVING_SHARE", 1e9)
        kill_before(patch, 4)
        resume_run(folder, settings)
    assert np.array_equal(resume_run(folder, settings).weights, whole.weights)
    before = load_file(tiny / "model.safetensors")
    network = whole.checkpoint.network
    inside = {name.removeprefix(INSIDE) for name in network if name.startswith(INSIDE)}
    frozen = {name for name in inside if torch.equal(network[f"{INSIDE}{name}"], before[name])}
    assert {name.partition(".")[0] for name in inside} == {"conv1", "bn1", "layer1", LAYER}
    trained = {name.partition(".")[0] for name in inside - frozen}
    everything = {"conv1", "bn1", "layer1", LAYER}
    assert trained == {Tune.HEAD: set(), Tune.LAST: {LAYER}}.get(tune, everything)


@pytest.mark.slow
def test_a_finished_run_is_trained_for_longer_at_the_same_layer_only(data: Path) -> None:
    settings = settings_for(data, DRAWN, layer="conv1", epochs=1)
    folder = train_run(settings).folder
    with pytest.raises(TrainingError, match=r"other settings: --layer \(was conv1\)"):
        resume(folder, settings_for(data, DRAWN, layer="conv2", epochs=2), NullProgress(), no_bar, no_show)
    longer = settings_for(data, DRAWN, layer="conv1", epochs=2)
    result = resume(folder, longer, NullProgress(), no_bar, no_show)
    assert result
    assert [epoch.number for epoch in result.epochs] == [1, 2]
    assert result.model.endswith("+conv1")
    assert layers_of(open_folder(folder)) == {"conv1", "head"}
    scratch = train_run(settings_for(data, str(folder), epochs=1))
    assert set(scratch.checkpoint.network) == set(load_file(open_folder(folder).weights))


def test_a_run_that_cannot_start_leaves_no_folder(data: Path, tiny: Path) -> None:
    for tune in (Tune.HEAD, Tune.FULL, Tune.SCRATCH):
        with pytest.raises(UsageError, match="no layer is called 'layer9'"):
            start_run(settings_for(data, str(tiny), tune, layer="layer9"))
    assert not list((data.parent / "runs").glob("*"))
