"""How opsflows itself stands, gathered at scrape time from the ledger alone: ages, open alerts, questions, credentials, overlaps.

What is not known is absent, never 0. Names, types and labels are those of docs/operations-metrics.md, and a test holds them to it.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from domain.config import Config
from domain.names import REHEARSAL
from domain.rotation import Wait
from domain.run_bounds import ENDS_WELL_WITHIN
from ledger.alerts import open_alerts
from ledger.deployment_ends import deployment_ends
from ledger.opening import Ledger
from ledger.questions import open_questions
from ledger.rotation_rows import rotations
from steps.kept_looks import KeptLooks
from steps.kms_families import Family, Sample, families
from steps.kms_metrics import KEPT_SECONDS, SCRAPE_LIMIT_SECONDS
from steps.ledger_look import LedgerLook, LedgerPart
from steps.rotation_calendar import listed_credentials, standings
from steps.rotation_inventory import Rows
from vendors.capabilities import Urgency

LEDGER_UP = "opsflows_ledger_up"
LEDGER_READABLE = "opsflows_ledger_readable"
_MOST = 100_000
# As what belongs to no environment has it in the ledger.
_NO_ENVIRONMENT = "-"

FAMILIES = tuple(
    Family(name, says, labels, is_of_a_target=False)
    for name, says, labels in (
        ("opsflows_deployment_limit_seconds", "How old the last good end of the deployment may become.", ("deployment",)),
        ("opsflows_deployment_last_good_timestamp_seconds", "When the deployment last ended well.", ("deployment",)),
        ("opsflows_deployment_ended_well", "1: a good end was seen; 0: none ever was.", ("deployment",)),
        ("opsflows_runs_looked_at_timestamp_seconds", "When Prefect's run history was last looked at.", ()),
        ("opsflows_alerts_open", "Alerts whose state holds.", ("environment", "urgency")),
        ("opsflows_alerts_unsent", "Open alerts that nobody was told of yet.", ("environment",)),
        ("opsflows_questions_open", "Questions that wait for a person.", ("environment",)),
        ("opsflows_questions_overdue", "Questions past their deadline.", ("environment",)),
        ("opsflows_credential_since_timestamp_seconds", "Since when the value is in use.", ("environment", "credential")),
        ("opsflows_credential_due_timestamp_seconds", "When its rotation is due.", ("environment", "credential")),
        ("opsflows_overlap_end_timestamp_seconds", "When the old value may go.", ("environment", "credential")),
        (LEDGER_READABLE, "1: this part of the ledger was read; 0: it could not be, and is absent.", ("part",)),
        (LEDGER_UP, "1: the ledger answered; 0: it did not, and what comes from it is absent.", ()),
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Watched:
    """What is shown: every environment but the rehearsal, or the one that is named."""

    config: Config
    rows: Rows
    environment: str = ""

    @property
    def environments(self) -> tuple[str, ...]:
        return (
            (self.environment,)
            if self.environment
            else tuple(name for name in self.config.environments if name != REHEARSAL)
        )

    def shows(self, environment: str) -> bool:
        """Say whether what belongs to it is shown; what belongs to none (`-`) always is."""
        return environment in {*self.environments, _NO_ENVIRONMENT}


class OperationsMetrics(Collector):
    """What a scrape gets; it waits for the ledger no longer than a scrape may take."""

    def __init__(
        self,
        watched: Watched,
        open_ledger: Callable[[], Ledger],
        *,
        tell: Callable[[str], None] = lambda _: None,
        limit_seconds: float = SCRAPE_LIMIT_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit_seconds = limit_seconds
        self._look = KeptLooks(
            LedgerLook([_part(name, watched) for name in _PARTS], open_ledger, tell), KEPT_SECONDS, monotonic
        )

    def collect(self) -> Iterator[Metric]:
        return families(self._samples(), FAMILIES)

    def _samples(self) -> Iterator[Sample]:
        for deployment, within in ENDS_WELL_WITHIN.items():
            yield Sample("opsflows_deployment_limit_seconds", (_short(deployment),), within.total_seconds())
        samples = self._look.begin().within(self._limit_seconds)
        yield Sample(LEDGER_UP, (), samples is not None)
        yield from samples or ()


def _of_deployments(ledger: Ledger, _: Watched) -> Iterator[Sample]:
    found = deployment_ends(ledger)
    for one in found:
        if one.deployment not in ENDS_WELL_WITHIN:
            continue
        whose = (_short(one.deployment),)
        yield Sample("opsflows_deployment_ended_well", whose, one.ended_well_at is not None)
        if one.ended_well_at is not None:
            yield Sample("opsflows_deployment_last_good_timestamp_seconds", whose, one.ended_well_at.timestamp())
    if found:
        at = max(one.looked_at for one in found)
        yield Sample("opsflows_runs_looked_at_timestamp_seconds", (), at.timestamp())


def _of_alerts(ledger: Ledger, watched: Watched) -> Iterator[Sample]:
    found = [one for one in open_alerts(ledger) if watched.shows(one.environment)]
    counted = Counter((one.environment, one.urgency) for one in found)
    unsent = Counter(one.environment for one in found if one.sent_at is None)
    for environment in (*watched.environments, _NO_ENVIRONMENT):
        for urgency in Urgency:
            number = counted[environment, urgency.value]
            yield Sample("opsflows_alerts_open", (environment, urgency.value), number)
        yield Sample("opsflows_alerts_unsent", (environment,), unsent[environment])


def _of_questions(ledger: Ledger, watched: Watched) -> Iterator[Sample]:
    now, found = ledger.now(), open_questions(ledger)
    waiting = Counter(one.environment for one in found)
    overdue = Counter(one.environment for one in found if one.is_overdue(now))
    for environment in watched.environments:
        yield Sample("opsflows_questions_open", (environment,), waiting[environment])
        yield Sample("opsflows_questions_overdue", (environment,), overdue[environment])


def _of_credentials(ledger: Ledger, watched: Watched) -> Iterator[Sample]:
    named = [
        one
        for environment in watched.environments
        for one in listed_credentials(ledger, watched.config, watched.rows, (), environment)
    ]
    for one in standings(ledger, watched.config, watched.rows, named):
        whose = (one.credential.environment, str(one.credential))
        if one.life is not None:
            yield Sample("opsflows_credential_since_timestamp_seconds", whose, one.life.since.timestamp())
        if one.at is not None:
            yield Sample("opsflows_credential_due_timestamp_seconds", whose, one.at.timestamp())


def _of_overlaps(ledger: Ledger, watched: Watched) -> Iterator[Sample]:
    for record in rotations(ledger, open_only=True, limit=_MOST):
        environment = record.credential.environment
        if record.wait is Wait.OVERLAP and watched.shows(environment):
            whose = (environment, str(record.credential))
            yield Sample("opsflows_overlap_end_timestamp_seconds", whose, record.not_before.timestamp())


_PARTS: Mapping[str, Callable[[Ledger, Watched], Iterator[Sample]]] = {
    "deployments": _of_deployments,
    "alerts": _of_alerts,
    "questions": _of_questions,
    "credentials": _of_credentials,
    "overlaps": _of_overlaps,
}


def _part(name: str, watched: Watched) -> LedgerPart:
    return LedgerPart(name, LEDGER_READABLE, (name,), lambda ledger: _PARTS[name](ledger, watched))


def _short(deployment: str) -> str:
    return deployment.partition("/")[2]
