"""Tables fit the terminal: paths are cut, then columns dropped."""

from cnncli.images.local_file import LocalFile
from cnncli.records.neighbours import Neighbour, Neighbours
from cnncli.render.columns import Column, rows
from cnncli.render.neighbours import neighbours_table

LONG = "photos/of/the/summer/of/2019/ants/10308379_1b6c72e180.jpg"


def test_paths_are_cut_before_columns_are_dropped() -> None:
    columns = [Column("image", [LONG], is_path=True), Column("note", ["a note"]), Column("n", ["1"])]
    assert rows(columns, 50)[1] == "…/10308379_1b6c72e180.jpg                a note  1"
    assert rows(columns)[1].startswith(LONG)


def test_neighbours_fit_80_columns() -> None:
    table = neighbours_table(
        [Neighbours(LocalFile(LONG), (Neighbour(LONG.replace("ants", "bees"), 0.1234567),))], 80
    )
    title, row = table.splitlines()
    assert title.split() == ["query", "nearest", "distance"]
    assert row.split() == ["…/10308379_1b6c72e180.jpg", "…/10308379_1b6c72e180.jpg", "0.1235"]
    assert max(map(len, (title, row))) <= 80
