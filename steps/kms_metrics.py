"""The metrics of the KMS smoke checks, gathered at scrape time: each health page as it is now, and what the ledger knows.

All targets and the ledger are asked side by side, and none for longer than the scrape's limit. What does not answer in time is
said to be down; it never holds up the others.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from domain.errors import OpsError
from domain.kms_faults import FAULTS
from domain.kms_sections import KmsTarget
from ledger.opening import Ledger
from steps.kept_looks import KeptLooks
from steps.kms_families import LEDGER_READABLE, LEDGER_UP, Sample, families
from steps.kms_ledger_samples import ledger_samples
from steps.ledger_look import LedgerLook, LedgerPart
from vendors.healthz import Reading, read_health

SCRAPE_LIMIT_SECONDS = 3.0
KEPT_SECONDS = 10.0
# A page that is given up at the limit is a finding, and its thread has yet to say so.
_GRACE_SECONDS = 0.25
_PREFIX = "health."
HEALTH_STATES = ("ok", *(row.removeprefix(_PREFIX) for row in FAULTS if row.startswith(_PREFIX)))


class KmsMetrics(Collector):
    """What a scrape gets. `address_of` turns a section's base_url into the address to ask; `tell` hears why the ledger is down."""

    def __init__(
        self,
        targets: Mapping[str, KmsTarget],
        open_ledger: Callable[[], Ledger],
        *,
        address_of: Callable[[str], str] = lambda base_url: base_url,
        tell: Callable[[str], None] = lambda _: None,
        limit_seconds: float = SCRAPE_LIMIT_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._targets = {name: row for name, row in targets.items() if row.base_url}
        self._limit_seconds = limit_seconds
        self._pages = {
            name: KeptLooks(_reader(row, address_of, limit_seconds), KEPT_SECONDS, monotonic)
            for name, row in self._targets.items()
        }
        self._ledger = KeptLooks(LedgerLook(_parts(targets), open_ledger, tell), KEPT_SECONDS, monotonic)
        self._last_well: dict[str, float] = {}

    def collect(self) -> Iterator[Metric]:
        return families(self._samples())

    def _samples(self) -> Iterator[Sample]:
        # The real time, whatever time looks are kept by: here somebody waits.
        until = time.monotonic() + self._limit_seconds + _GRACE_SECONDS
        pages, ledger = {name: page.begin() for name, page in self._pages.items()}, self._ledger.begin()
        for name, page in pages.items():
            reading = page.within(until - time.monotonic())
            yield from self._of_page(name, reading or _not_in_time(self._limit_seconds))
        samples = ledger.within(until - time.monotonic())
        yield Sample(LEDGER_UP, (), samples is not None)
        yield from samples or ()

    def _of_page(self, name: str, reading: Reading) -> Iterator[Sample]:
        if reading.state == "ok":
            self._last_well[name] = reading.at.timestamp()
        whose = (self._targets[name].environment, name)
        yield from page_samples(whose, reading)
        if name in self._last_well:
            yield Sample("kms_health_last_success_timestamp_seconds", whose, self._last_well[name])


def page_samples(whose: tuple[str, str], reading: Reading) -> Iterator[Sample]:
    """Yield what one reading says. A mode or readiness that no page said is absent, not 0."""
    yield Sample("kms_health_up", whose, reading.state == "ok")
    for state in HEALTH_STATES:
        yield Sample("kms_health_state", (*whose, state), state == reading.state)
    if reading.mode is not None:
        yield Sample("kms_crypto_mode_is_kms", whose, reading.mode == "kms")
    if reading.ready is not None:
        yield Sample("kms_crypto_ready", whose, reading.ready)
    yield Sample("kms_health_read_seconds", whose, reading.milliseconds / 1000)


def _parts(targets: Mapping[str, KmsTarget]) -> list[LedgerPart]:
    return [
        LedgerPart(
            f"{name} ({row.environment})", LEDGER_READABLE, (row.environment, name),
            partial(ledger_samples, name=name, target=row),
        )
        for name, row in targets.items()
    ]  # fmt: skip


def _not_in_time(limit_seconds: float) -> Reading:
    """Return what a page is whose reading is not over: down, since an absent series would alert nobody."""
    return Reading(
        "health.timeout", "reading it is not over", None, None, None, limit_seconds * 1000, datetime.now(UTC)
    )


def _reader(target: KmsTarget, address_of: Callable[[str], str], limit_seconds: float) -> Callable[[], Reading]:
    limit = min(target.limit_seconds, limit_seconds)

    def read() -> Reading:
        try:
            return read_health(address_of(target.base_url), path=target.health_path, limit_seconds=limit)
        except (ValueError, OpsError) as error:
            # An address that cannot be asked is a page that cannot be reached: silence would look like nothing to check.
            return Reading("health.unreachable", str(error), None, None, None, 0.0, datetime.now(UTC))

    return read
