"""A fleet for the rotation's benchmark: stand-ins, a Prefect server, and credentials that are in use and adopted.

All targets of one vendor share one account, as an organisation's do: each listing shows the keys of all of them. Adopted
means bound in the ledger; the adoption's own probe is no part of what is measured.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockDocumentCreate

from blocks.store import block_types
from domain.config import Config, parse_config
from domain.names import REHEARSAL, Credential, Purpose, Target, block_name
from domain.rotation import Kind, RotationRecord, rotation_id
from ledger.fingerprints import fingerprinter
from ledger.held_credentials import see_credential, set_vendor_id
from ledger.opening import Ledger
from ledger.rotations import open_rotation
from steps.audited_run import audited_run, open_own_ledger
from steps.clock import Clock
from steps.conduct import conduct_for
from steps.live_vendor import LiveVendor
from steps.pacing import Pacer
from steps.rotating import advance
from steps.rotation_hands import Hands
from steps.side_by_side import side_by_side
from steps.value_store import ValueStore
from tasks.preparing import fingerprint_key_file
from tasks.preparing_rotation import RotationDesk, rotation_desk
from vendors.capabilities import Integration
from vendors.registry import INTEGRATIONS, LIMITS, ROTATIONS

# Whose sending credential can be made by API.
MADE_BY_API = tuple(name for (name, purpose), row in ROTATIONS.items() if purpose is Purpose.SEND and row.connect)
_ROOM = 100_000
# As vendors/datadog_rotation.py quotes them: calls and seconds.
_DATADOG = {"key_management": (600, 60), "events_search": (300, 3600), "metrics_query": (1600, 3600)}
_VERDICT_REPORT = "# Benchmark\n"


@dataclass(slots=True)
class Console:
    """The stand-ins' control plane. `offset` is how far they, and the ledger, are ahead of the clock; it only grows."""

    url: str
    offset: timedelta = timedelta(0)

    def __call__(self, method: str, path: str, **fields: object) -> Any:
        answer = httpx.request(method, f"{self.url}/_control/{path}", json=fields, trust_env=False, timeout=60)
        return answer.raise_for_status().json()

    def begin(self, answer_s: float, *, limited: bool) -> None:
        """Index at once, answer after `answer_s`; keep the published limits, or none at all."""
        for name in MADE_BY_API:
            self("POST", f"{name}/actions/set_indexing_delay", seconds=0)
            self("DELETE", f"{name}/faults")
            if answer_s:
                self("POST", f"{name}/faults", times=-1, delay_s=answer_s)
        self("POST", "sentry/actions/set_propagation_delay", seconds=0)
        self("POST", "datadog/actions/set_key_limits", api_keys=_ROOM, app_keys_per_user=_ROOM)
        for limit, (calls, period_s) in _DATADOG.items():
            room = calls if limited else _ROOM
            self("POST", "datadog/actions/set_rate_limit", name=limit, calls=room, period_s=period_s)
        rest, events = (960, 120) if limited else (_ROOM, _ROOM)
        self("POST", "pagerduty/actions/set_rate_limits", rest_per_minute=rest, events_per_minute=events)

    def too_many(self, name: str) -> int:
        return sum(1 for row in self("GET", f"{name}/requests") if row["status"] in {420, 429})


@dataclass(slots=True)
class Member:
    """One credential of the fleet, with its target's values by variable name as they were at the beginning."""

    credential: Credential
    values: Mapping[str, str] = field(repr=False)
    vendor_id: str

    @property
    def integration(self) -> Integration:
        return INTEGRATIONS[self.credential.target.integration]

    @property
    def variable(self) -> str:
        row = ROTATIONS[self.credential.target.integration, self.credential.purpose]
        return next(one.name for one in self.integration.variables if one.field == row.field)


@dataclass(slots=True)
class Fleet:
    """Everything that one measurement works on."""

    console: Console
    config: Config
    ledger: Ledger
    members: list[Member]

    def go_on(self, span: timedelta) -> None:
        self.console.offset += span
        self.ledger = replace(self.ledger, offset=self.console.offset)
        self.console("POST", "clock", offset_s=self.console.offset.total_seconds())

    @contextmanager
    def desk(self, *, paced: bool) -> Iterator[RotationDesk]:
        """Give what one run of a flow works with, in a bundle of its own."""
        with audited_run(
            self.ledger, flow="rotate-credentials", environment=REHEARSAL, mode="apply", actor="benchmark", reason="benchmark",
            parameters={},
        ) as run, rotation_desk(run, self.config) as desk:  # fmt: skip
            if not paced:
                desk.pacer = Pacer({}, Clock().sleep)
            yield desk
            run.report = _VERDICT_REPORT

    def open(self, members: Sequence[Member], window: str) -> list[str]:
        """Open a rotation of each credential and return their ids."""
        ids = []
        for member in members:
            rotation = rotation_id(member.credential, window)
            open_rotation(
                self.ledger, rotation, member.credential, Kind.SCHEDULED, operator="benchmark", reason="benchmark",
                ticket="", due_window=window, facts={"may_page": True},
            )  # fmt: skip
            ids.append(rotation)
        return ids


Stored = Callable[[Member, Hands], ValueStore]


def step_all(
    desk: RotationDesk, members: Sequence[Member], ids: Sequence[str], *, workers: int,
    around: Callable[[Callable[[], RotationRecord], str], RotationRecord], stored: Stored | None = None,
) -> list[RotationRecord]:  # fmt: skip
    """Step every rotation as far as it goes now, as the flows do, without the rows that Prefect shows of each."""

    def step(at: int) -> RotationRecord:
        def advanced() -> RotationRecord:
            with desk.hands(members[at].credential) as hands:
                return advance(_without_runs(members[at], hands, stored), ids[at])

        return around(advanced, ids[at])

    return side_by_side(step, range(len(members)), workers)


def _without_runs(member: Member, hands: Hands, stored: Stored | None) -> Hands:
    """Leave out the scheduled run; put another store in the blocks' place where one is given."""
    hands = replace(hands, schedule=lambda _: None)
    if stored is None:
        return hands
    store = stored(member, hands)
    assert isinstance(hands.vendor, LiveVendor)
    hands.vendor.values = lambda: {**member.values, member.variable: store.projected(member.credential)}
    return replace(hands, store=store)


def made_fleet(console: Console, count: int, prefix: str, *, in_blocks: bool, of: Sequence[str] = MADE_BY_API) -> Fleet:
    """Make `count` credentials at the stand-ins, the vendors in turn, and put them into blocks and ledger."""
    targets = [Target(of[at % len(of)], f"{prefix}{at:04}") for at in range(count)]
    in_scope = ", ".join(f'"{target}"' for target in targets)
    config = parse_config(
        f'[rotation]\nper_vendor_per_hour = 1000\n[environments.rehearsal]\nkind = "rehearsal"\nin_scope = [{in_scope}]\n',
        "the benchmark's configuration", INTEGRATIONS,
    )  # fmt: skip
    console.begin(0, limited=False)
    ledger = replace(open_own_ledger(), offset=console.offset)
    fleet = Fleet(console, config, ledger, _minted(console, config, targets))
    if in_blocks:
        _put_into_blocks(fleet.members)
    fingerprint = fingerprinter(fingerprint_key_file())
    for member in fleet.members:
        see_credential(fleet.ledger, member.credential, fingerprint(member.values[member.variable]))
        with fleet.ledger.writing() as connection:
            set_vendor_id(connection, member.credential, member.vendor_id)
    return fleet


def _minted(console: Console, config: Config, targets: Sequence[Target]) -> list[Member]:
    known: Mapping[str, Mapping[str, str]] = console("GET", "credentials")
    conduct = conduct_for(config, REHEARSAL, lambda _: None)
    made: list[Member] = []
    for name in dict.fromkeys(target.integration for target in targets):
        row, integration = ROTATIONS[name, Purpose.SEND], INTEGRATIONS[name]
        assert row.connect is not None
        by_field = {one.field: known[name][one.name] for one in integration.variables if known[name].get(one.name)}
        # Sentry's stand-in keeps its limit always.
        admit = Pacer(LIMITS, Clock().sleep).admit(name, name)
        rotator = row.connect(by_field, f"{console.url}/{name}", replace(conduct, admit=admit))
        rotator.list_credentials("")  # Splunk's settings of a new token are read off the one in use
        for target in (one for one in targets if one.integration == name):
            minted = rotator.create(f"first of {target.instance}", str(uuid4()))
            variable = next(one.name for one in integration.variables if one.field == row.field)
            values = {**known[name], variable: minted.value}
            made.append(Member(Credential(target, REHEARSAL, Purpose.SEND), values, minted.vendor_id))
        rotator.close()
    order = {target: at for at, target in enumerate(targets)}
    return sorted(made, key=lambda member: order[member.credential.target])


def _put_into_blocks(members: Sequence[Member]) -> None:
    """Write the blocks as a person would find them; through the client, since saving a block registers its type anew."""
    with get_client(sync_client=True) as client:
        for member in members:
            target = member.credential.target
            for purpose, kind in block_types(target.integration).items():
                if kind._block_type_id is None:  # noqa: SLF001 (Prefect keeps it nowhere else)
                    kind.register_type_and_schema()
                own = {
                    row.field: member.values[row.name]
                    for row in member.integration.variables
                    if row.purpose is purpose and member.values.get(row.name)
                }
                if own:
                    client.create_block_document(
                        BlockDocumentCreate(
                            name=block_name(target, REHEARSAL, purpose), data=own,
                            block_type_id=kind._block_type_id, block_schema_id=kind._block_schema_id,  # noqa: SLF001
                        )
                    )  # fmt: skip
