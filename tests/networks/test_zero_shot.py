"""Names of classes on the command line: which networks turn them into classes, and which names are refused."""

import importlib.util
from pathlib import Path

import pytest

from cnncli.errors import MissingPackageError, UsageError
from cnncli.networks.answer_classes import choose_classes
from cnncli.networks.reference import Reference
from cnncli.networks.zero_shot import ZeroShotClasses
from cnncli.records.progress import NullProgress
from tests.conftest import Cnncli, Imports

CLIP = "vit_base_patch32_clip_224.laion2b"
FRUIT = ("lemon", "orange")


def test_a_network_with_a_text_tower_turns_names_into_classes() -> None:
    for name in (CLIP, f"hf-hub:timm/{CLIP}"):
        reference, names = choose_classes(Reference(name), FRUIT, None, NullProgress())
        assert reference == Reference(CLIP, zero_shot=ZeroShotClasses(FRUIT, "a photo of a {}"))
        assert names is None


@pytest.mark.parametrize("name", ["resnet50", "pocket", "vit_base_patch32_clip_224.laion2b_ft_in1k"])
def test_one_with_classes_is_restricted_to_the_names(name: str) -> None:
    assert choose_classes(Reference(name), FRUIT, None, NullProgress()) == (Reference(name), FRUIT)


def test_the_key_of_a_prepared_network_has_names_and_prompt() -> None:
    keys = {
        Reference(CLIP, zero_shot=zero_shot).key()
        for zero_shot in (
            None,
            ZeroShotClasses(FRUIT, "{}"),
            ZeroShotClasses(FRUIT[::-1], "{}"),
            ZeroShotClasses(FRUIT, "a {}"),
            ZeroShotClasses(("{}", "lemon"), "orange {}"),
        )
    }
    assert len(keys) == 5


def test_the_name_takes_every_place_in_the_prompt() -> None:
    assert ZeroShotClasses(("a {}", "b"), "{} or {0} {}").texts == ["a {} or {0} a {}", "b or {0} b"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--classes", " , ,"), "--classes is empty"),
        (("--classes", "lemon"), "--classes has only 'lemon', which would be every answer"),
        (("--classes", "lemon,orange,Lemon"), "--classes has 'lemon' 2 times"),
        (("--classes", "lemon,a\tb"), "'a\\tb' has a character that cannot be printed"),
        (("--classes", "lemon,orange", "--prompt", "a photo"), "--prompt 'a photo' has no {}"),
        (("--prompt", "a {}"), "--prompt needs --classes"),
        (("--classes", "lemon,orange", "--no-pretrained"), "--no-pretrained: not with --classes"),
        (("--classes", "lemon,orange", "--labels", "x"), "--labels: not with --classes"),
        (
            ("--classes", "lemon,orange", "-m", "pocket", "--prompt", "a {}"),
            "--prompt: pocket has no text tower",
        ),
        (
            ("--classes", "lemon,orange", "-m", "vit_base_patch32_clip_224.openai"),
            "vit_base_patch32_clip_224.openai has no classes, and no text tower",
        ),
    ],
)
def test_bad_input_is_one_line_before_any_work(
    imports: Imports, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    (tmp_path / "a.jpg").touch()
    model = () if "-m" in arguments else ("-m", CLIP)
    result, packages = imports("predict", tmp_path / "a.jpg", *model, *arguments)
    assert result.returncode == 2
    assert f"error: {message}" in result.stderr.decode()
    assert not {"torch", "timm", "open_clip"} & packages


def test_the_hint_names_the_network_with_the_right_activation(cnncli: Cnncli, photos: Path) -> None:
    result = cnncli("predict", photos, "-m", "vit_base_patch32_clip_224.openai", "--classes", "a,b")
    assert "vit_base_patch32_clip_quickgelu_224.openai" in result.stderr


def test_without_names_the_hint_is_how_to_give_some(cnncli: Cnncli, photos: Path) -> None:
    result = cnncli("evaluate", photos, "-m", CLIP)
    assert result.exit_code == 2
    assert f"error: {CLIP} has no classes of its own" in result.stderr
    assert "--classes 'lemon, orange'" in result.stderr


def test_without_open_clip(cnncli: Cnncli, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "open_clip" else find_spec(name)
    )
    result = cnncli("predict", photos, "-m", CLIP, "--classes", "lemon,orange")
    assert result.exit_code == MissingPackageError("").exit_code
    assert "need the package open-clip-torch" in result.stderr
    assert "cnncli[zero-shot]" in result.stderr


def test_pull_needs_a_text_tower_for_names(cnncli: Cnncli) -> None:
    result = cnncli("pull", "resnet50", "--classes", "lemon,orange")
    assert "--classes: resnet50 has no text tower" in result.stderr
    result = cnncli("pull", "resnet50", CLIP, "--classes", "lemon,orange")
    assert "--classes: only for one model at a time" in result.stderr


def test_an_empty_name_in_a_program() -> None:
    with pytest.raises(UsageError, match="--classes has an empty name"):
        ZeroShotClasses(("lemon", " "), "{}")
