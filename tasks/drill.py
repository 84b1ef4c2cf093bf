"""The canaries of a drill: those on stand-ins of its own, made ready where they are not, and the real ones of opsflows.toml."""

from collections.abc import Iterator
from dataclasses import replace

from blocks.store import load_values, save_values
from domain.config import Config
from domain.drill import DRILL_INSTANCE, canary_target, is_drill
from domain.errors import OpsError, Unavailable
from domain.names import REHEARSAL, Credential
from domain.rotation import Kind, RotationRecord, State, may_follow, rotation_id
from domain.rotation_config import is_rotated
from domain.verdicts import Verdict
from ledger.held_credentials import find_credential
from ledger.opening import Ledger
from ledger.rotation_rows import rotations
from ledger.rotations import claim, open_rotation, write
from steps.rotating import advance
from steps.rotation_reports import Row, row_of
from tasks.preparing_rotation import RotationDesk
from tasks.reporting import event
from vendors.registry import INTEGRATIONS, ROTATIONS
from vendors.stand_ins import connect as connect_stand_ins

_MOVED = "network.refused"


def unfinished_drills(ledger: Ledger, today: str) -> Iterator[Row]:
    """Yield the drills that are under way: today's as they stand, those of earlier days as HOLD."""
    for record in rotations(ledger, open_only=True, limit=10_000):
        if record.kind is not Kind.DRILL:
            continue
        row = row_of(record)
        if record.due_window == today:
            yield row
        else:
            words = f"The drill of an earlier day ({record.due_window}) is not over. {row.words}"
            yield replace(row, words=words, verdict=Verdict.HOLD)


def prepare_canaries(desk: RotationDesk) -> list[Credential]:
    """Return the canaries on the drill's stand-ins, each with a value that works there and is bound to what it is.

    New stand-ins know none of the values in the blocks; then those they generated are stored and adopted.
    """
    canaries = [
        Credential(canary_target(name), REHEARSAL, purpose)
        for (name, purpose), row in ROTATIONS.items()
        if row.connect is not None and name in INTEGRATIONS
    ]  # fmt: skip
    strange = {canary.target for canary in canaries if not _works(desk, canary)}
    if strange:
        context = desk.drill_context()
        stand_ins = connect_stand_ins(desk.drill_url(), context.conduct)
        try:
            generated = stand_ins.credentials()
        finally:
            stand_ins.close()
        for target in sorted(strange):
            save_values(INTEGRATIONS[target.integration], target, REHEARSAL, generated[target.integration])
        for record in rotations(desk.run.ledger, open_only=True, limit=10_000):
            if is_drill(record.credential) and record.credential.target in strange:
                _abandon(desk, record)
    for canary in canaries:
        held = find_credential(desk.run.ledger, canary)
        if canary.target in strange or held is None or not held.vendor_id:
            _adopt(desk, canary)
    return canaries


def real_canaries(config: Config) -> list[Credential]:
    """Return the real, unused credentials that opsflows.toml marks as drills."""
    named = [Credential.parse(name) for name, row in config.credentials.items() if row.drill]
    return [one for one in named if is_rotated(config, one) and one.target.instance != DRILL_INSTANCE]


def _works(desk: RotationDesk, canary: Credential) -> bool:
    if load_values(INTEGRATIONS[canary.target.integration], canary.target, REHEARSAL) is None:
        return False
    with desk.hands(canary) as hands:
        value = hands.store.projected(canary)
        try:
            return bool(value) and not hands.vendor.is_refused(value)
        except Unavailable as error:
            # The value holds an address at which the drill's stand-ins are not any more.
            if error.symptom == _MOVED:
                return False
            raise


def _abandon(desk: RotationDesk, record: RotationRecord) -> None:
    """End a rotation whose stand-ins were lost, and with them everything it worked on."""
    held = claim(desk.run.ledger, record.id, desk.run.run_id)
    if held is None:
        return
    why = {"abandoned": "the stand-ins it worked on are gone, and all that was at them"}
    if not may_follow(held.record.state, State.ABORTED):
        write(held, "decision", why, state=State.ROLLING_BACK)
    write(held, "decision", why, state=State.ABORTED)
    event("drill.abandoned", rotation=record.id, credential=record.credential)


def _adopt(desk: RotationDesk, canary: Credential) -> None:
    window = f"adopt {desk.run.run_id}"
    with desk.hands(canary) as hands:
        try:
            record = open_rotation(
                desk.run.ledger, rotation_id(canary, window), canary, Kind.ADOPTION, operator="schedule", reason="rotation drill",
                ticket="-", due_window=window,
            )  # fmt: skip
            advance(hands, record.id)
        except OpsError as error:
            # The drill itself then waits for adoption, and says so.
            event("drill.not_adopted", credential=canary, kind=type(error).__name__)
