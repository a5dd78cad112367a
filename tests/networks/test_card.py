"""A card survives the way to JSON and back; anything else is refused with its place."""

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnncli.errors import ModelFolderError
from cnncli.networks.card import (
    COSINE_SCHEMA,
    CUT_SCHEMA,
    FEATURES_SCHEMA,
    SCHEMA,
    TASKS_SCHEMA,
    TRANSFORMERS_SCHEMA,
    from_json,
    to_json,
)
from cnncli.records.networks import FEATURES, CropRounding, Cut, FileFacts, Head, HeadKind, ModelCard
from cnncli.records.tasks import AnswerKind, Task
from tests.networks_for_tests import colour_card

SCHEMAS = Path(__file__).parent / "schemas"


def cut_card() -> ModelCard:
    card = colour_card()
    cut = Cut("layer2", card.preprocessing.size, 1000)
    return dataclasses.replace(card, architecture=dataclasses.replace(card.architecture, cut=cut))


def tasks_card() -> ModelCard:
    tasks = (
        Task("warm", ("no", "yes"), AnswerKind.ONE),
        Task("tags", ("red",), AnswerKind.SEVERAL, (0.25,)),
    )
    return dataclasses.replace(colour_card(), class_names=("no", "yes", "red"), synsets=None, tasks=tasks)


def transformers_card() -> ModelCard:
    card = colour_card()
    architecture = dataclasses.replace(
        card.architecture, library="transformers", name="vit", config='{"config": {"model_type": "vit"}}'
    )
    preprocessing = dataclasses.replace(card.preprocessing, crop_rounding=CropRounding.DOWN)
    return dataclasses.replace(card, architecture=architecture, preprocessing=preprocessing)


def cosine_card() -> ModelCard:
    card = colour_card()
    head = Head(HeadKind.COSINE, "", 8, 8)
    return dataclasses.replace(card, architecture=dataclasses.replace(card.architecture, head=head))


def features_card() -> ModelCard:
    return dataclasses.replace(cosine_card(), files=(FileFacts(FEATURES, 12, "0" * 64),))


@pytest.mark.parametrize(
    "card", [colour_card(), cut_card(), tasks_card(), transformers_card(), cosine_card(), features_card()]
)
def test_round_trip(card: ModelCard) -> None:
    assert from_json(to_json(card), "card.json") == card


def test_a_card_is_human_readable() -> None:
    text = to_json(colour_card())
    assert text.splitlines()[1] == f'  "schema": {SCHEMA},'
    assert '"resize_mode": "squash"' in text


@pytest.mark.parametrize(
    ("schema", "card"),
    [
        (SCHEMA, colour_card()),
        (CUT_SCHEMA, cut_card()),
        (TASKS_SCHEMA, tasks_card()),
        (TRANSFORMERS_SCHEMA, transformers_card()),
        (COSINE_SCHEMA, cosine_card()),
        (FEATURES_SCHEMA, features_card()),
    ],
)
def test_every_schema_is_read(schema: int, card: ModelCard) -> None:
    text = (SCHEMAS / f"card-{schema}.json").read_text(encoding="utf-8")
    assert json.loads(text)["schema"] == schema
    assert from_json(text, "card.json") == card


def spoil(change: Callable[[dict[str, Any]], object]) -> str:
    document = json.loads(to_json(colour_card()))
    change(document)
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[1]", "not a model card"),
        ("{}", "not a model card"),
        (spoil(lambda card: card.update(schema=99)), f"reads schemas {SCHEMA} to {FEATURES_SCHEMA}"),
        (
            spoil(
                lambda card: card["architecture"].update(cut={"layer": "a", "size": [9, 0], "own_classes": 3})
            ),
            "architecture.cut.size should be from 1 x 1 to 4096 x 4096 pixels",
        ),
        (spoil(lambda card: card.pop("class_names")), "card lacks class_names"),
        (spoil(lambda card: card.update(colour="red")), "card has unknown colour"),
        (spoil(lambda card: card.update(name=3)), "card.name should be of type str, not int"),
        (spoil(lambda card: card.update(class_names="red")), "card.class_names should be a list"),
        (spoil(lambda card: card["class_names"].pop()), "class_names should have 3 entries"),
        (
            spoil(lambda card: card["preprocessing"].update(size=[8])),
            "preprocessing.size should have 2 values, not 1",
        ),
        (spoil(lambda card: card["preprocessing"].update(size=[8, 0])), "sizes should be above zero"),
        (spoil(lambda card: card["preprocessing"].update(size=[8, True])), "of type int, not bool"),
        (
            spoil(lambda card: card["preprocessing"].update(size=[50_000, 50_000])),
            "4096 x 4096 pixels at most",
        ),
        (
            spoil(lambda card: card["preprocessing"].update(resize=[50_000, 50_000])),
            "8192 x 8192 pixels at most",
        ),
        (spoil(lambda card: card["preprocessing"].update(fill=[0, 0, 256])), "fill should be from 0 to 255"),
        (spoil(lambda card: card["preprocessing"].update(mean=[math.nan] * 3)), "should be finite"),
        (
            spoil(lambda card: card["architecture"].update(num_classes=10**12)),
            "should be from 0 to 10,000,000",
        ),
        (spoil(lambda card: card["embedding"].update(size=10**12)), "should be from 0 to 16,777,216"),
        ("[" * 100_000, "not JSON"),
        (spoil(lambda card: card["architecture"].update(num_classes=-1)), "should be from 0 to 10,000,000"),
        (spoil(lambda card: card["preprocessing"].update(interpolation="magic")), "should be one of"),
        (spoil(lambda card: card["preprocessing"].update(channels=4)), "channels should be 1 or 3"),
        (spoil(lambda card: card["preprocessing"].update(std=[1.0, 0.0, 1.0])), "std should be above zero"),
        (spoil(lambda card: card["preprocessing"].update(mean=[0.5])), "one mean, std and fill per channel"),
        (
            spoil(lambda card: card["architecture"].update(library="keras")),
            "architecture.library should be one of",
        ),
        (spoil(lambda card: card.update(architecture=[])), "card.architecture should be an object"),
        (spoil(lambda card: card.update(synsets=["n1"])), "synsets should have 3 entries"),
    ],
)
def test_invalid_cards_are_errors_that_name_the_file(text: str, message: str) -> None:
    with pytest.raises(ModelFolderError) as caught:
        from_json(text, "some/card.json")
    assert "some/card.json" in caught.value.message
    assert message in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "tags"}, "tasks should have different names"),
        ({"class_names": ["yes"]}, "class_names should be those of all tasks, in order"),
        ({"kind": "any"}, r"card.tasks\[0\].kind should be one of"),
        ({"thresholds": [0.5, 0.5]}, "need a threshold from 0 to 1 per class, others none"),
    ],
)
def test_tasks_fit_the_classes(change: dict[str, Any], message: str) -> None:
    document = json.loads(to_json(tasks_card()))
    document["tasks"][0] |= change
    with pytest.raises(ModelFolderError, match=message):
        from_json(json.dumps(document), "card.json")
