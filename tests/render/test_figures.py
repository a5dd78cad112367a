"""A figure is as large as it should be, and its colours are those of its values."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnncli.records.pictures import BarChart, Box, Figure, Panel, Scale
from cnncli.render import figures, fonts, terminal_picture
from cnncli.render.figure_values import figure_npz
from tests.conftest import arrays_of


def panel(scale: Scale = Scale.SIGNED, side: int = 5, **more: object) -> Panel:
    values = np.linspace(-1, 1, side * side).reshape(side, side)
    return Panel("a panel", values, scale, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_a_figure_is_1000_pixels_wide_and_shows_all_panels(count: int) -> None:
    figure = Figure("many", tuple(panel() for _ in range(count)), columns=8, legend="values")
    with Image.open(io.BytesIO(figures.figure_png(figure))) as picture:
        assert picture.width == figures.WIDTH
        pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    darkest = np.array(
        [0xB3, 0x58, 0x06]
    )  # the lowest value's colour: one corner of each panel, and the legend
    side = min((1000 - 36 - 10 * (min(count, 8) - 1)) // min(count, 8), 560) // 5
    actual = (pixels == darkest).all(axis=1).sum()
    assert actual >= count * (side - 1) ** 2


def test_signed_values_are_white_at_zero_and_symmetric_in_strength() -> None:
    colours = figures.colours(Panel("", np.array([[-2.0, 0.0, 1.0, 2.0]]), Scale.SIGNED)).astype(int)
    assert (colours[0, 1] >= 240).all()
    assert tuple(colours[0, 0]) == (0xB3, 0x58, 0x06)
    assert tuple(colours[0, 3]) == (0x54, 0x27, 0x88)
    assert colours[0, 2].sum() > colours[0, 3].sum()


def test_images_are_unchanged_and_strengths_go_from_dark_to_bright() -> None:
    image = np.array([[[0, 128, 255], [-5, 300, 7]]], float)
    assert figures.colours(Panel("", image, Scale.IMAGE)).tolist() == [[[0, 128, 255], [0, 255, 7]]]
    strength = figures.colours(Panel("", np.array([[0.0, 0.5, 1.0]]), Scale.STRENGTH)).astype(int).sum(axis=2)
    assert (np.diff(strength[0]) > 0).all()


def test_constant_values_have_a_colour() -> None:
    same = np.ones((2, 2))
    assert figures.colours(Panel("", same, Scale.STRENGTH)).shape == (2, 2, 3)
    assert (figures.colours(Panel("", 0 * same, Scale.SIGNED)) >= 240).all()


def test_aspect_ratios_are_kept_and_long_titles_cut() -> None:
    wide = Panel("x" * 500, np.zeros((10, 40)), Scale.SIGNED)
    drawn = figures.draw_figure(Figure("words " * 60, (wide,), columns=1))
    assert drawn.width == 1000
    assert 964 // 4 < drawn.height < 964 // 4 + 300


def test_no_line_of_a_title_is_wider_than_its_panel() -> None:
    font = fonts.font(12)
    for text in (
        "n02124075_Egyptian_cat.JPEG, 12.3",
        "network.residual3.body.conv1\n80 x 20 x 20",
        "x" * 300,
    ):
        lines = figures._Text.wrap(text, 12, 100).lines
        assert all(font.getlength(line) <= 100 for line in lines), lines
        assert len(lines) <= 5
    first, second = figures._Text.wrap("network.residual3.body.conv1", 12, 120).lines
    assert (first, second) == ("network.residual3.", "body.conv1")


def test_an_overlay_covers_the_image_only_where_its_values_are_high() -> None:
    photograph = np.full((40, 40, 3), 100.0)
    heat = np.zeros((4, 4))
    heat[:, 2:] = 1.0
    overlay = Panel("", heat, Scale.STRENGTH, (0.0, 1.0), under=photograph)
    drawn = np.asarray(figures.draw_figure(Figure("", (overlay,), columns=1))).astype(int)
    middle = drawn[drawn.shape[0] // 2]
    assert (middle[100] == 100).all()  # no haze over the rest
    yellow = 0.6 * np.array([0xFD, 0xE7, 0x25]) + 0.4 * 100
    assert middle[500] == pytest.approx(yellow, abs=1)


def test_a_box_is_drawn_in_the_right_place() -> None:
    grey = Panel("", np.full((10, 10), 128.0), Scale.IMAGE, boxes=(Box(2, 3, 4, 5, "field"),))
    drawn = np.asarray(figures.draw_figure(Figure("", (grey,), columns=1))).astype(int)
    yellow = np.argwhere((drawn == [0xFF, 0xD4, 0x00]).all(axis=2))
    scale = 56
    left, right = yellow[:, 1].min() - 18, yellow[:, 1].max() - 18  # the figure's margin
    assert (left, right + 1) == (pytest.approx(2 * scale, abs=2), pytest.approx(6 * scale, abs=2))
    bottom = drawn.shape[0] - 18 - 10 - 10 * scale  # margin and gap: where the panel begins
    assert yellow[:, 0].max() + 1 - bottom == pytest.approx(8 * scale, abs=12)


def test_bars_are_as_long_as_their_values_from_a_common_zero() -> None:
    chart = BarChart("bars", np.array([4.0, 1.0, -2.0]), ("a", "b", "c"))
    drawn = np.asarray(figures.draw_figure(Figure("", (chart,), columns=1))).astype(int)
    lengths = []
    for colour in ([0x80, 0x73, 0xAC], [0xE0, 0x82, 0x14]):
        bars = (drawn == colour).all(axis=2).sum(axis=1)
        lengths += [int(length) for length in dict.fromkeys(bars[bars > 0].tolist())]
    unit = lengths[0] / 4
    assert unit > 100
    assert lengths == [pytest.approx(unit * value, abs=2) for value in (4, 1, 2)]


def test_a_figure_in_grey_has_no_other_colour() -> None:
    chart = BarChart("bars", np.array([4.0, -2.0]), ("a", "b"))
    figure = Figure("", (panel(), panel(Scale.STRENGTH), chart), columns=3, legend="values").in_grey()
    drawn = np.asarray(figures.draw_figure(figure)).astype(int)
    assert (drawn.max(axis=2) - drawn.min(axis=2)).max() < 15  # captions are nearly grey
    assert figures.colours(Panel("", np.array([[-3.0, 5.0]]), Scale.GREY))[:, :, 0].tolist() == [[0, 255]]


def test_npz_output_has_the_values_of_a_figure(tmp_path: Path) -> None:
    file = tmp_path / "numbers.npz"
    file.write_bytes(figure_npz(Figure("", (panel(), panel(side=3)), columns=2)))
    actual = arrays_of(file)
    assert actual["titles"].tolist() == ["a panel", "a panel"]
    assert actual["1"].tolist() == panel(side=3).values.tolist()


def test_a_figure_as_characters() -> None:
    buffer = io.BytesIO()
    half = np.zeros((40, 40), np.uint8)
    half[:, 20:] = 255
    Image.fromarray(half).save(buffer, "PNG")
    plain = terminal_picture.rough(buffer.getvalue(), 10, has_colours=False).splitlines()
    assert plain == ["     @@@@@"] * 5
    coloured = terminal_picture.rough(buffer.getvalue(), 10, has_colours=True).splitlines()
    assert len(coloured) == 5
    assert all(line.count("▀") == 10 for line in coloured)


def test_terminals_that_show_images() -> None:
    png = bytes(range(256)) * 40
    assert terminal_picture.inline(png, {}) is None
    iterm = terminal_picture.inline(png, {"TERM_PROGRAM": "iTerm.app"}) or ""
    assert iterm.startswith("\x1b]1337;File=inline=1;size=10240:")
    kitty = terminal_picture.inline(png, {"TERM": "xterm-kitty"}) or ""
    assert kitty.startswith("\x1b_Ga=T,f=100,m=1;")
    assert "\x1b_Gm=0;" in kitty
