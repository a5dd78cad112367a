"""The table of epochs."""

import dataclasses
from pathlib import Path

from cnncli.records.training import Amp, Epoch, Layout
from cnncli.training.network.checkpoints import Checkpoint, RunConstants
from cnncli.training.network.logs import epoch_row, open_log
from tests.training.small_runs import Listener

EPOCH = Epoch(
    number=100,
    lr=3e-4,
    train_loss=12.345,
    train_top1=1.0,
    val_loss=12.345,
    val_top1=1.0,
    seconds=999,
    images_per_second=1234.5,
    val_balanced=None,
)


def test_rows_fit_a_terminal_of_80_columns() -> None:
    for epoch in (EPOCH, dataclasses.replace(EPOCH, val_balanced=1.0)):
        header, line = epoch_row(epoch, is_best=True)
        assert len(header) <= len(line) <= 80
        assert len(header) == len(line) - len("  best")


def test_the_header_is_printed_once(tmp_path: Path) -> None:
    listener = Listener()
    checkpoint = Checkpoint(network={}, constants=RunConstants(0.1, Layout.NCHW, Amp.OFF))
    with open_log(tmp_path, checkpoint, (), listener) as log:
        for number in (1, 2):
            checkpoint.history.append(dataclasses.replace(EPOCH, number=number, val_loss=3.0 - number))
            log()
    assert [line.split()[0] for line in listener.said] == ["epoch", "1", "2"]
    assert [line.endswith("best") for line in listener.said] == [False, True, True]
