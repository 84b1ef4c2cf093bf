"""The vendor of one credential for real: its key management, its check and its probe, connected with the values in use now."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from domain.errors import BadInput, OpsError, Rejected, Unavailable
from domain.exchanges import Exchange
from domain.manifests import ListedCredential, Minted
from domain.names import Credential
from domain.probes import Outcome, ProbeResult, Receipt
from steps.agreement import not_agreed
from steps.context import Context
from steps.destruction_guard import goldens_holding, guarded_by, refuse_needed
from steps.probing import Job, carry_out, repeat_until
from steps.rotation_hands import Listing, Proof, Proven
from steps.verifying import close_intents, open_intents
from steps.wrapped_files import wrapped_files
from vendors.capabilities import Probe, checked_values
from vendors.http import Conduct
from vendors.rotation import Pointer, Rotation, Rotator

# How the vendors' clients call, in a receipt, the credential that an event came with.
_ATTRIBUTION = "integration_id"
_READ_BOUND = timedelta(seconds=60)
T = TypeVar("T")


@dataclass(slots=True)
class LiveVendor:
    """One credential's vendor. `values` returns the target's values by variable name, as they are in use at this moment."""

    context: Context
    credential: Credential
    row: Rotation
    values: Callable[[], Mapping[str, str]]
    admit: Callable[[str, str], None] = lambda *_: None
    _last: list[Exchange] = field(default_factory=list)
    _opened: tuple[Mapping[str, str], Rotator] | None = None

    def listing(self) -> Listing:
        found: list[ListedCredential] = []
        slots, cursor, first = None, "", True
        while first or cursor:
            first = False
            page = self._repeated(partial(self._rotator().list_credentials, cursor))
            found.extend(page.credentials)
            slots = page.slots if page.slots is not None else slots
            cursor = page.next_cursor
        return Listing(tuple(found), slots)

    def create(self, marker: str, value: str) -> Minted:
        return self._rotator().create(marker, value)

    def disable(self, vendor_id: str) -> None:
        self._rotator().disable(vendor_id)

    def enable(self, vendor_id: str) -> None:
        self._rotator().enable(vendor_id)

    def revoke(self, vendor_id: str) -> None:
        """Let the vendor end it.

        Raises:
            Rejected: with rotation.still_needed, where a golden ciphertext needs it; nothing was sent.
        """
        refuse_needed(self._held_by_goldens(vendor_id), vendor_id)
        self._rotator().revoke(vendor_id)

    def held_open(self, vendor_id: str) -> tuple[str, ...]:
        if self.row.connect is None:
            return ()
        items: list[str] = []
        cursor, first = "", True
        while first or cursor:
            first = False
            page = self._repeated(partial(self._rotator().held_open, vendor_id, cursor))
            items.extend(page.items)
            cursor = page.next_cursor
        return (*items, *self._repeated(lambda: tuple(self._held_by_goldens(vendor_id))))

    def is_refused(self, value: str) -> bool:
        try:
            self._repeated(lambda: self.row.check(self._fields(value), self._address, self._conduct))
        except Rejected as refusal:
            if refusal.symptom in self.row.refusals:
                return True
            raise
        return False

    def prove(self, value: str) -> Proof:
        """Send an event with the value in place and see it arrive; where no probe exists, see that the vendor accepts it."""
        at = self.context.clock.now()
        refused = not_agreed(self.context, [self.credential.target]) if self.row.wakes_people else []
        if refused:
            return Proof(Proven.NOT_AGREED, at, refused[0].happened, refused[0].next_step)
        integration = self.context.integrations[self.credential.target.integration]
        client = integration.connect(self._fields(value), self._address, self._conduct)
        try:
            probes = self.row.probes(client)
            if not probes:
                accepted = not self.is_refused(value)
                outcome, words = (Proven.PASSED, "") if accepted else (Proven.REFUSED, "the vendor refuses it")
                return Proof(outcome, at, words, how="check")
            return self._carried_out(probes, at, value)
        finally:
            client.close()

    def point_to(self, value: str) -> None:
        with self._pointer() as pointer:
            pointer.point_to(value)

    def points_to(self, value: str) -> bool | None:
        with self._pointer() as pointer:
            return self._repeated(lambda: pointer.points_to(value))

    def told_at(self) -> tuple[datetime, datetime] | None:
        if not self._last or self._last[0].vendor_date is None:
            return None
        return self._last[0].vendor_date, self._last[0].at + self.context.ledger.offset

    def close(self) -> None:
        if self._opened is not None:
            self._opened[1].close()
            self._opened = None

    def _carried_out(self, probes: tuple[Probe, ...], at: datetime, value: str) -> Proof:
        attributed: list[str] = []
        jobs = [Job(self.credential.target, _noting(probe, attributed), self.context.new_nonce()) for probe in probes]
        open_intents(self.context, [(job.nonce, job.target, job.probe.name) for job in jobs])
        results = [carry_out(job, self.context.pace, self.context.clock) for job in jobs]
        close_intents(self.context, results)
        return self._proof_of(results, attributed[-1] if attributed else "", at, value)

    def _proof_of(self, results: list[ProbeResult], attributed: str, at: datetime, value: str) -> Proof:
        failed = [row for row in results if row.outcome is Outcome.FAIL and row.symptom != "probe.left_behind"]
        if not failed:
            unseen = [row for row in results if row.outcome is Outcome.SENT_NOT_CONFIRMED]
            person = self.context.integrations[self.credential.target.integration].person_sees
            nonces = ", ".join(row.nonce for row in unseen)
            words = f"{person} (nonce {nonces})" if unseen else ""
            return Proof(Proven.UNSEEN if unseen else Proven.PASSED, at, words, attributed_to=attributed)
        first = failed[0]
        # A probe's own refusal may have another name than the check's: where one is not known, the check is asked.
        # One that replaces another is judged by its probe alone: the check looks at what was signed before.
        surely = not self.row.manifest.swaps and self._is_surely_refused(value)
        if first.symptom in self.row.refusals or surely:
            return Proof(Proven.REFUSED, at, f"{first.happened} {first.means}", first.next_step)
        # It says nothing about the credential: a network that is away, an event that did not arrive.
        raise Unavailable(first.happened, first.means, first.next_step, first.symptom)

    def _is_surely_refused(self, value: str) -> bool:
        try:
            return self.is_refused(value)
        except OpsError:
            return False

    def _held_by_goldens(self, vendor_id: str) -> Iterator[str]:
        provider = guarded_by(self.row)
        if provider is None:
            return
        integration = self.context.integrations[self.credential.target.integration]
        values = checked_values(integration, self.values())
        key = provider.default_key(values)
        yield from goldens_holding(
            self.context.ledger, key, vendor_id, lambda: provider.connect(key, values, self._address, self._conduct),
            wrapped_files(self.context, provider, key),
        )  # fmt: skip

    def _rotator(self) -> Rotator:
        """Return the key management, connected with the values in use: after a flip that is another credential."""
        values = dict(self.values())
        if self._opened is not None and self._opened[0] == values:
            return self._opened[1]
        self.close()
        if self.row.connect is None:
            raise BadInput(
                f"{self.credential} is made by hand.",
                "The vendor has no API for it; nothing was sent.",
                self.row.by_hand.create,
            )
        integration = self.context.integrations[self.credential.target.integration]
        rotator = self.row.connect(checked_values(integration, values), self._address, self._conduct)
        self._opened = (values, rotator)
        return rotator

    @contextmanager
    def _pointer(self) -> Iterator[Pointer]:
        """Give the vendor's own pointer, connected with the values in use."""
        if self.row.point is None:
            raise BadInput(
                f"{self.credential} has no pointer at its vendor.",
                "Nothing was sent.",
                "Report it: a fault of opsflows.",
            )
        integration = self.context.integrations[self.credential.target.integration]
        pointer = self.row.point(checked_values(integration, self.values()), self._address, self._conduct)
        try:
            yield pointer
        finally:
            pointer.close()

    def _fields(self, value: str) -> dict[str, str]:
        """Return the target's values by field, with this value in the credential's place."""
        integration = self.context.integrations[self.credential.target.integration]
        name = next(row.name for row in integration.variables if row.field == self.row.field)
        return checked_values(integration, {**self.values(), name: value})

    @property
    def _address(self) -> str | None:
        return self.context.addresses.get(self.credential.target.integration)

    @property
    def _conduct(self) -> Conduct:
        return replace(self.context.conduct, record=self._record, admit=self.admit)

    def _record(self, exchange: Exchange) -> None:
        self.context.conduct.record(exchange)
        self._last[:] = [exchange]

    def _repeated(self, read: Callable[[], T]) -> T:
        kept: list[T] = []
        repeat_until(
            lambda: kept.append(read()),
            _READ_BOUND,
            self.context.pace,
            self.context.clock,
            polls=False,
            attempts=self.context.pace.attempts,
        )
        return kept[-1]


def _noting(probe: Probe, attributed: list[str]) -> Probe:
    """Return the same probe, whose last read-back also notes which credential the vendor says the event came with."""
    if not probe.confirm:
        return probe
    *before, last = probe.confirm

    def confirm(receipt: Receipt) -> Receipt:
        seen = last(receipt)
        if seen.ids.get(_ATTRIBUTION):
            attributed.append(seen.ids[_ATTRIBUTION])
        return seen

    return replace(probe, confirm=(*before, confirm))
