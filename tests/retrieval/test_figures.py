"""The picture of groups of near duplicates."""

from pathlib import Path

import pytest
from PIL import Image

from cnncli.records.neighbours import Duplicate
from cnncli.retrieval.figures import groups_figure


def test_every_image_of_a_group_has_its_folder_if_there_are_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    groups = [
        [Duplicate(f"photos/{name}.png", score, 0) for name, score in (("cat/1", 1.0), (f"{folder}/2", 0.9))]
        for folder in ("cat", "dog")
    ]
    for image in (image for images in groups for image in images):
        Path(image.path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(image.path)
    titles = [panel.title for panel in groups_figure(groups, "groups").panels]
    assert titles == ["cat/1.png", "cat/2.png, 0.900", "cat/1.png", "dog/2.png, 0.900"]
