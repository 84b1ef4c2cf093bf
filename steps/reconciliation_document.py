"""What a month says, for machines: one row per cell and per integration, in a stable order; the digest is of the numbers alone.

A number that is not known is null in every row, never 0.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from functools import singledispatch
from hashlib import sha256
from typing import Any

from domain.reconciliation import (
    Bounds,
    Cell,
    Compared,
    Edition,
    Emitted,
    Explained,
    Received,
    Reconciliation,
    TargetMonth,
    Why,
)

SCHEMA_VERSION = 1
# The one part of a document that is not about the month, but about the making of the report.
EDITION = "edition"
# What people decide stands beside the numbers: a note, a waiver or an earlier month makes no other result of the same input.
_DECIDED = frozenset({EDITION, "carried_over", "unresolved"})
_DECIDED_OF_TARGET = frozenset({"finding", "why", "waiver", "investigation", "past"})
# How long a vendor was waited for differs from run to run, and is not why its answer is missing.
_WAITED = re.compile(r"\bwithin [\d.]+ s\b")
# Nine digits are a billionth of the events; more of them differ from one machine's arithmetic to another's.
_DIGITS = 9

Row = dict[str, Any]


def document(reconciliation: Reconciliation, edition: Edition) -> Row:
    """Return the whole report for machines: what the month says, and under "edition" who made it when."""
    return {**contents(reconciliation), EDITION: _plain(edition)}


def contents(reconciliation: Reconciliation) -> Row:
    """Return what the month says, without anything about the run that found it."""
    return {
        "schema_version": SCHEMA_VERSION,
        "environment": reconciliation.environment,
        "month": str(reconciliation.month),
        "window": _plain(reconciliation.window),
        "tolerance": reconciliation.tolerance,
        "confidence": reconciliation.confidence,
        "files_read": reconciliation.files_read,
        "expected_false_alarms": round(reconciliation.expected_false_alarms, _DIGITS),
        "targets": [_target_document(reconciliation, one) for one in _targets(reconciliation)],
        "cells": cell_rows(reconciliation),
        "facts": sorted((_plain(fact) for fact in reconciliation.facts), key=canonical),
        "overlays": sorted((_plain(overlay) for overlay in reconciliation.overlays), key=canonical),
        "carried_over": sorted((_plain(one) for one in reconciliation.carried_over), key=canonical),
        "unresolved": sorted((_plain(one) for one in reconciliation.unresolved), key=canonical),
    }


def digest(reconciliation: Reconciliation) -> str:
    """Return the SHA-256, in hex, of what the month's numbers say.

    It is the same for the same input, whenever, by whichever run, and whatever people decide about it.
    """
    return digest_of(contents(reconciliation))


def digest_of(written: Mapping[str, Any]) -> str:
    """Return the digest of a document that was written earlier, so that it can be checked against what it claims."""
    said = {key: value for key, value in written.items() if key not in _DECIDED}
    said["targets"] = [
        {key: value for key, value in row.items() if key not in _DECIDED_OF_TARGET} for row in written["targets"]
    ]
    return sha256(_WAITED.sub("in time", canonical(said)).encode()).hexdigest()


def canonical(value: object) -> str:
    """Return JSON that is the same for the same value: keys sorted, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def cell_rows(reconciliation: Reconciliation) -> list[Row]:
    """Return a row per cell, by target, type and day; every row has the same keys."""
    by_name = {one.target: one for one in reconciliation.targets}
    ordered = sorted(reconciliation.cells, key=lambda cell: (cell.target, cell.type, cell.day))
    return [_cell_row(reconciliation, cell, by_name[cell.target]) for cell in ordered]


def target_rows(reconciliation: Reconciliation) -> list[Row]:
    """Return a row per integration, by name; every row has the same keys."""
    return [_target_row(reconciliation, one) for one in _targets(reconciliation)]


def _targets(reconciliation: Reconciliation) -> list[TargetMonth]:
    return sorted(reconciliation.targets, key=lambda one: one.target)


def _cell_row(reconciliation: Reconciliation, cell: Cell, target: TargetMonth) -> Row:
    return {
        "schema_version": SCHEMA_VERSION,
        "environment": reconciliation.environment,
        "month": str(reconciliation.month),
        "day": cell.day.isoformat(),
        "target": cell.target,
        "type": cell.type,
        **_provenance(target),
        **_numbers(cell.emitted, cell.received, cell.compared),
        "finding": cell.finding.value,
        "missing": cell.missing,
    }


def _target_row(reconciliation: Reconciliation, one: TargetMonth) -> Row:
    return {
        "schema_version": SCHEMA_VERSION,
        "environment": reconciliation.environment,
        "month": str(reconciliation.month),
        "target": one.target,
        **_provenance(one),
        **_numbers(one.emitted, one.received, one.compared),
        "finding": one.finding.value,
        "why": one.why,
        "share_low": _rounded(one.low),
        "share_high": _rounded(one.high),
        "raw_above": one.raw_above,
        "days_missing": len(one.days_missing),
        **_bounds("loss_in_windows", one.loss_in_windows),
        "settles_at": one.settles_at.isoformat(),
        "shift_hours": None if one.shift is None else one.shift.hours,
        "probes_sent": None if one.probes is None else one.probes.sent,
        "probes_seen": None if one.probes is None else one.probes.seen,
    }


def _target_document(reconciliation: Reconciliation, one: TargetMonth) -> Row:
    compared = one.compared
    return {
        **_target_row(reconciliation, one),
        "found": one.found.value,
        "days_missing": _plain(one.days_missing),
        "splits_types": one.splits_types,
        "by_ids": one.by_ids,
        "client_drops": None if one.emitted is None else _plain(one.emitted.drops),
        "vendor_losses": None if one.received is None else _plain(one.received.losses),
        "loss_explained": None if compared is None else _plain(compared.loss_explained),
        "excess_explained": None if compared is None else _plain(compared.excess_explained),
        "shift": _plain(one.shift),
        "cause": _plain(one.cause),
        "probes": _plain(one.probes),
        "waiver": _plain(one.waiver),
        "investigation": _plain(one.investigation),
        "past": _plain(one.past),
        "missing_ids": _plain(one.missing_ids),
    }


def _provenance(target: TargetMonth) -> Row:
    return {
        "clock": target.clock.value,
        "trust": " + ".join(trust.value for trust in target.trust),
        "unit": target.unit.value,
    }


def _numbers(emitted: Emitted | None, received: Received | None, compared: Compared | None) -> Row:
    return {
        "emitted_records": None if emitted is None else emitted.records,
        "emitted_unique": None if emitted is None else emitted.unique,
        "repeats": None if emitted is None else emitted.repeats,
        "dropped_by_client": None if emitted is None else emitted.dropped,
        "sampled_out": None if emitted is None else emitted.sampled_out,
        "sent": None if emitted is None else emitted.sent,
        "expected": None if compared is None else compared.expected,
        "received": None if received is None else received.events,
        "duplicates": None if received is None else received.duplicates,
        **_bounds("loss", None if compared is None else compared.loss),
        **_bounds("excess", None if compared is None else compared.excess),
        **_explained("loss_explained", None if compared is None else compared.loss_explained),
        **_explained("excess_explained", None if compared is None else compared.excess_explained),
        **_bounds("loss_residual", None if compared is None else compared.loss_residual),
        **_bounds("excess_residual", None if compared is None else compared.excess_residual),
    }


def _bounds(name: str, bounds: Bounds | None) -> Row:
    low, high = (None, None) if bounds is None else (bounds.low, bounds.high)
    return {f"{name}_low": low, f"{name}_high": high}


def _explained(name: str, parts: tuple[Explained, ...] | None) -> Row:
    row: Row = {f"{name}_{why.name.lower()}": None if parts is None else 0 for why in Why}
    for part in parts or ():
        row[f"{name}_{part.why.name.lower()}"] += part.events
    return row


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, _DIGITS)


@singledispatch
def _plain(value: object) -> Any:
    """Return what JSON can hold: a dataclass by its fields, an enum by its value, moments and days in ISO."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value


@_plain.register
def _(value: Enum) -> Any:
    return value.value


@_plain.register(date)
@_plain.register(datetime)
def _(value: date) -> str:
    return value.isoformat()


@_plain.register(tuple)
def _(value: tuple[object, ...]) -> list[Any]:
    return [_plain(one) for one in value]


@_plain.register
def _(value: float) -> float:
    return round(value, _DIGITS)
