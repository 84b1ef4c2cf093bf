"""The tables of a month as CSV and Parquet: a row per cell, and a row per integration. A missing number is null, never 0.

Imports pandas, which costs half a second: only the task that writes the report imports this.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pandas as pd

from domain.reconciliation import Reconciliation
from steps.reconciliation_document import Row, cell_rows, target_rows

CELLS = "cells"
TARGETS = "integrations"
_DAYS = ("day",)
_SHARES = ("share_low", "share_high")
_FLAGS = ("raw_above",)
_WORDS = (
    "environment", "month", "target", "type", "clock", "trust", "unit", "finding", "missing", "why", "settles_at",
)  # fmt: skip


def cells_frame(reconciliation: Reconciliation) -> pd.DataFrame:
    """Return one row per UTC day, integration and type; `type` is empty where the vendor does not tell types apart."""
    return _frame(cell_rows(reconciliation))


def targets_frame(reconciliation: Reconciliation) -> pd.DataFrame:
    """Return one row per integration."""
    return _frame(target_rows(reconciliation))


def write_tables(reconciliation: Reconciliation, folder: Path) -> list[Path]:
    """Write cells and integrations, each as CSV and as Parquet, and return the files."""
    frames = {CELLS: cells_frame(reconciliation), TARGETS: targets_frame(reconciliation)}
    written: list[Path] = []
    for name, frame in frames.items():
        csv, parquet = folder / f"{name}.csv", folder / f"{name}.parquet"
        frame.to_csv(csv, index=False, lineterminator="\n")
        frame.to_parquet(parquet, index=False, engine="pyarrow", compression="zstd")
        written += [csv, parquet]
    return written


def _frame(rows: Sequence[Row]) -> pd.DataFrame:
    columns = list(rows[0]) if rows else []
    return pd.DataFrame({name: _column(name, [row[name] for row in rows]) for name in columns})


def _column(name: str, values: Sequence[object]) -> pd.Series:
    """Return a column that knows null: numbers would become floats otherwise, and a null among them NaN."""
    if name in _DAYS:
        return pd.Series([date.fromisoformat(str(value)) for value in values], dtype="object")
    kind = "Float64" if name in _SHARES else "boolean" if name in _FLAGS else "string" if name in _WORDS else "Int64"
    return pd.Series(values, dtype=kind)
