"""The tables hold every cell once, keep null apart from 0, and come back from Parquet as they were written."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from domain.reconciliation import Reconciliation
from steps.reconciliation_tables import cells_frame, targets_frame, write_tables
from tests.steps.reconciliations import sample


@pytest.fixture(scope="module")
def month() -> Reconciliation:
    return sample()


def test_every_cell_is_one_row(month: Reconciliation) -> None:
    frame = cells_frame(month)

    assert len(frame) == len(month.cells)
    assert not frame.duplicated(["day", "target", "type"]).any()


def test_a_count_that_could_not_be_read_is_null_and_never_zero(month: Reconciliation) -> None:
    frame = cells_frame(month)

    missing = frame[frame.finding == "NO DATA"]
    numbers = [name for name in frame if name.startswith(("received", "loss", "excess", "expected", "duplicates"))]
    assert len(missing) == 3 * 4
    assert missing[numbers].isna().all().all()
    assert (missing.emitted_unique > 0).all()


def test_cells_add_up_to_their_integration(month: Reconciliation) -> None:
    names = ["emitted_records", "emitted_unique", "sent", "received", "loss_low", "loss_high", "excess_high"]

    summed = cells_frame(month).groupby("target")[names].sum(min_count=1)

    written = targets_frame(month).set_index("target")[names]
    pd.testing.assert_frame_equal(summed, written, check_dtype=False, check_index_type=False)


def test_parquet_gives_back_what_was_written(month: Reconciliation, tmp_path: Path) -> None:
    written = write_tables(month, tmp_path)

    read = pd.read_parquet(tmp_path / "cells.parquet")
    frame = cells_frame(month)
    assert [file.name for file in written] == [
        "cells.csv", "cells.parquet", "integrations.csv", "integrations.parquet",
    ]  # fmt: skip
    assert list(read) == list(frame)
    assert read.received.dtype == "Int64"
    pd.testing.assert_frame_equal(read, frame, check_dtype=False)


def test_csv_has_the_same_numbers_and_nothing_where_there_is_none(month: Reconciliation, tmp_path: Path) -> None:
    write_tables(month, tmp_path)

    read = pd.read_csv(tmp_path / "cells.csv", dtype={"received": "Int64"})
    assert read.received.sum() == cells_frame(month).received.sum()
    assert read.received.isna().sum() == 12
    assert set(read.schema_version) == {1}


def test_the_same_month_gives_the_same_bytes(month: Reconciliation, tmp_path: Path) -> None:
    mirrored = replace(month, cells=month.cells[::-1], targets=month.targets[::-1])
    (tmp_path / "again").mkdir()

    first = [file.read_bytes() for file in write_tables(month, tmp_path)]
    second = [file.read_bytes() for file in write_tables(mirrored, tmp_path / "again")]

    assert first == second


def test_a_month_without_cells_is_a_table_without_rows(month: Reconciliation, tmp_path: Path) -> None:
    write_tables(replace(month, cells=(), targets=()), tmp_path)

    assert len(pd.read_parquet(tmp_path / "cells.parquet")) == 0
