"""Places that cannot be written to are found before any work."""

from pathlib import Path

import pytest

from cnncli.errors import OutputError
from cnncli.files.output_path import require_free, require_writable_file


def test_a_place_in_a_folder_that_exists(tmp_path: Path) -> None:
    require_writable_file(tmp_path / "a.png")
    require_free(tmp_path / "a.png", overwrite=False)
    assert not list(tmp_path.iterdir())


def test_what_already_exists_is_replaced_only_where_that_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    require_free(tmp_path / "a.png", overwrite=True)
    with pytest.raises(OutputError, match=r"a\.png already exists") as caught:
        require_free(tmp_path / "a.png", overwrite=False, hint="take another name")
    assert caught.value.hint == "take another name"


def test_places_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        require_writable_file(tmp_path / "none" / "a.png")
    with pytest.raises(OutputError, match="it is a folder"):
        require_writable_file(tmp_path)
    with pytest.raises(OutputError, match="File name too long"):
        require_writable_file(tmp_path / f"{'x' * 300}.png")
