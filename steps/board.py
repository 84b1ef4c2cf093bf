"""The wiring board's facts, gathered: from ledger and opsflows.toml, and from what Prefect said. The number of statements is constant."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from domain.attention import Attention, in_turn
from domain.board import Board, Cell, EnvironmentBoard, Look, Row
from domain.cadence import Cadence, cadence_at
from domain.config import Config, Environment, EnvironmentKind
from domain.errors import BadInput
from domain.kms_named_parts import named_parts
from domain.names import REHEARSAL, Credential, Target
from domain.rotation import RotationRecord
from domain.verdicts import World
from ledger.newest import NewestMonth, PartSeen, RunSeen, newest_months, runs_seen
from ledger.open_facts import Looking
from ledger.opening import Ledger
from ledger.verifications import LastVerified
from ledger.waivers import Waiver
from ledger.wiring import RehearsalProof, rehearsal_for
from steps.board_cells import (
    WAIVED,
    credential_cell,
    finding_cell,
    month_cell,
    platform_cell,
    rehearsed_cell,
    rotation_cell,
    unverified_cell,
    verification_cell,
)
from steps.board_kms import kms_cells
from steps.board_links import linked
from steps.board_schedules import PrefectSeen, prefect_cell, schedules, worst_first
from steps.rotation_calendar import Seen, Standing, standings_among
from steps.rotation_inventory import Rows, credentials_in
from steps.shared_facts import SharedFacts, shared_facts
from steps.version import code_version

_WAIVED_MONTH = "reconciliation"
_WORST_FIRST = tuple(Look)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the ledger tells, asked once for all environments."""

    now: datetime
    verified: Mapping[str, Mapping[Target, LastVerified]]
    live: Mapping[str, date]
    credentials: Mapping[str, Mapping[Target, list[Standing]]]
    rotations: Mapping[str, list[RotationRecord]]
    months: Mapping[str, NewestMonth]
    waived: Mapping[str, frozenset[str]]
    looked_into: Mapping[tuple[str, str, str], Looking]
    kms: Mapping[tuple[str, str], list[PartSeen]]
    runs: dict[str, RunSeen]
    proof: RehearsalProof | None


def board(
    ledger: Ledger,
    config: Config,
    rows: Rows,
    prefect: PrefectSeen,
    *,
    attentions: Callable[[Ledger, Config, SharedFacts], Iterable[Attention]],
) -> Board:
    """Return the board of all environments; the rehearsal is shown last, and decides nothing where there is another.

    Raises:
        BadInput: no environment is declared.
        Unavailable: the ledger does not answer.
    """
    names = _in_order(config)
    counted = [name for name in names if not _is_rehearsal(config, name)] or names
    facts = shared_facts(ledger, config, rows)
    known = _known(ledger, config, rows, names, facts)
    return Board(
        now=known.now,
        attentions=tuple(in_turn([*attentions(ledger, config, facts)])),
        environments=tuple(
            linked(_environment(config, known, name, is_counted=name in counted), prefect) for name in names
        ),
        schedules=tuple(worst_first(schedules(prefect, known.now))),
        prefect=prefect_cell(prefect, known.now),
        world=World.REHEARSAL.value if all(_is_rehearsal(config, name) for name in counted) else "",
    )


def _in_order(config: Config) -> list[str]:
    if not config.environments:
        raise BadInput(
            "opsflows.toml declares no environment.", "There is nothing to show.", "Declare one, as docs/configuration.md says."
        )  # fmt: skip
    return sorted(config.environments, key=lambda name: (_kind_order(config.environments[name].kind), name))


def _kind_order(kind: EnvironmentKind) -> int:
    """Order as on-calls read: production first, the rehearsal last."""
    return (EnvironmentKind.PROD, EnvironmentKind.STAGING, EnvironmentKind.DEV, EnvironmentKind.REHEARSAL).index(kind)


def _is_rehearsal(config: Config, name: str) -> bool:
    return config.environments[name].kind is EnvironmentKind.REHEARSAL


def _known(ledger: Ledger, config: Config, rows: Rows, names: list[str], facts: SharedFacts) -> _Known:
    months, proof = newest_months(ledger), rehearsal_for(ledger, code_version())
    run_ids = {
        *(one.run_id for found in facts.verified.values() for one in found.values()),
        *(one.run_id for one in months.values()),
        *(one.run_id for one in facts.parts if one.run_id),
        *((proof.run_id,) if proof else ()),
    }
    seen = Seen(facts.now, facts.held, facts.lives, facts.rotations, facts.verified)
    return _Known(
        now=facts.now,
        verified=facts.verified,
        live=facts.live,
        credentials=_by_target(standings_among(ledger, config, rows, _credentials(config, rows, names), seen)),
        rotations=_by_environment(facts.rotations),
        months=months,
        waived=_waived(facts.waived, facts.now.date()),
        looked_into=facts.looked_into,
        kms=_by_kms_target(facts.parts),
        runs=runs_seen(ledger, run_ids),
        proof=proof,
    )


def _credentials(config: Config, rows: Rows, names: Iterable[str]) -> list[Credential]:
    return [one for name in names for one in credentials_in(config, name, rows)]


def _by_target(found: Iterable[Standing]) -> dict[str, dict[Target, list[Standing]]]:
    told: dict[str, dict[Target, list[Standing]]] = {}
    for one in found:
        told.setdefault(one.credential.environment, {}).setdefault(one.credential.target, []).append(one)
    return told


def _by_environment(found: Iterable[RotationRecord]) -> dict[str, list[RotationRecord]]:
    told: dict[str, list[RotationRecord]] = {}
    for one in found:
        told.setdefault(one.credential.environment, []).append(one)
    return told


def _by_kms_target(found: Iterable[PartSeen]) -> dict[tuple[str, str], list[PartSeen]]:
    told: dict[tuple[str, str], list[PartSeen]] = {}
    for one in found:
        told.setdefault((one.environment, one.target), []).append(one)
    return told


def _waived(found: Iterable[Waiver], today: date) -> dict[str, frozenset[str]]:
    """Return what of each environment's months is waived today, as `slack 2026-10`."""
    told: dict[str, frozenset[str]] = {}
    for one in found:
        if one.subject.startswith(f"{_WAIVED_MONTH} ") and one.holds_on(today):
            told[one.environment] = told.get(one.environment, frozenset()) | {one.name}
    return told


def _environment(config: Config, known: _Known, name: str, *, is_counted: bool) -> EnvironmentBoard:
    declared = config.environments[name]
    newest = known.months.get(name)
    accepted = _accepted(known, name, newest)
    is_recorded = any(row.environment == name for row in config.emitted.values())
    found = [
        *(_row(known, name, target, accepted.get(str(target), "")) for target in declared.targets),
        *(_platform_row(known, name, target) for target in declared.platform_targets),
    ]  # fmt: skip
    kms = [
        kms_cells(key, named_parts(row), known.kms.get((name, key), []), known.runs, known.now)
        for key, row in config.kms.items()
        if row.environment == name
    ]
    return EnvironmentBoard(
        name=name,
        kind=declared.kind.value,
        live=_live_words(declared, known.live.get(name), known.now),
        rows=tuple(sorted(found, key=lambda row: (_WORST_FIRST.index(row.look), row.target))),
        rotations=tuple(rotation_cell(one, known.now) for one in known.rotations.get(name, ())),
        month=month_cell(
            newest, known.runs.get(newest.run_id) if newest else None, is_recorded=is_recorded, accepted=accepted
        ),
        kms=tuple(cell for cells in kms for cell in cells),
        is_counted=is_counted,
    )


def _accepted(known: _Known, name: str, newest: NewestMonth | None) -> dict[str, str]:
    """Return in words how each finding of the newest month was accepted: its investigation is closed, or it is waived today."""
    if newest is None:
        return {}
    closed = {
        target: f"closed: {one.owner} looked into it"
        for (environment, month, target), one in known.looked_into.items()
        if one.is_closed and (environment, month) == (name, str(newest.month))
    }
    waived = (one.rpartition(" ") for one in known.waived.get(name, ()))
    return closed | {target: WAIVED for target, _, month in waived if month == str(newest.month)}


def _row(known: _Known, name: str, target: Target, accepted: str) -> Row:
    return Row(
        target=str(target),
        page=f"docs/integrations/{target.integration}.md",
        verified=_verified(known, name, target),
        credentials=_credential_cells(known, name, target),
        month=finding_cell(str(target), known.months.get(name), accepted),
    )


def _verified(known: _Known, name: str, target: Target) -> Cell:
    """Return the last verification; without one, the rehearsal of day 1, which is all of the rehearsal and little of the others."""
    seen, live, proof = known.verified[name].get(target), known.live.get(name), known.proof
    if seen is not None:
        return verification_cell(target, seen, known.runs.get(seen.run_id), live, known.now)
    if name == REHEARSAL:
        return rehearsed_cell(target, proof, known.runs.get(proof.run_id) if proof else None, known.now)
    return unverified_cell(target, proof, live, known.now)


def _platform_row(known: _Known, name: str, target: Target) -> Row:
    return Row(
        target=str(target),
        page=f"docs/integrations/{target.integration}.md",
        verified=platform_cell(target),
        credentials=_credential_cells(known, name, target),
        month=Cell("month", Look.ASIDE, "takes no events", facts={"finding": None}),
    )


def _credential_cells(known: _Known, name: str, target: Target) -> tuple[Cell, ...]:
    held = known.credentials.get(name, {}).get(target, [])
    return tuple(credential_cell(one, known.now) for one in sorted(held, key=lambda one: one.credential.purpose.value))


def _live_words(declared: Environment, live: date | None, now: datetime) -> str:
    if declared.kind is EnvironmentKind.REHEARSAL:
        return "stand-ins; no events of anybody's"
    cadence = cadence_at(live, now)
    if live is None:
        return "not gone live"
    return f"goes live {live}" if cadence is Cadence.NOT_LIVE else f"live since {live}, verified {cadence.value}"
