"""What a program needs to know to use an exported network: classes, tasks and preprocessing, as JSON."""

import dataclasses
from typing import Any

from cnncli.networks.model_folder import ModelFolder


def facts_of(folder: ModelFolder, license_: str | None) -> dict[str, Any]:
    """The facts about a network by name, each as JSON takes it; without tasks or a license where there are none."""
    card = folder.card
    facts: dict[str, Any] = {
        "description": f"{card.name}, weights: {card.weights_origin}",
        "class_names": list(card.class_names),
        "preprocessing": dataclasses.asdict(card.preprocessing),
    }
    if card.tasks:
        facts["tasks"] = [dataclasses.asdict(task) for task in card.tasks]
    return facts | ({"license": license_} if license_ else {})
