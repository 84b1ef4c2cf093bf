"""Whoever has to know of a part that is DOWN is told once, with what it explains; a part that flaps is not told at each change."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.config import Config
from domain.kms_checks import Checked, Part, faulty, not_run, passed
from domain.kms_faults import FAULTS
from domain.kms_history import Change
from domain.kms_standing import Answer, PartStanding, after, beginning
from ledger.alerts import open_alerts, raise_alert
from ledger.kms_checks import record_check, spells_since
from ledger.opening import open_ledger
from steps.kms_alerting import Telling, put_away_targets_gone, runbook_of, telling
from steps.kms_headline import headline
from tests.architecture.sources import ROOT
from vendors.capabilities import Urgency

BEGAN = datetime(2026, 9, 1, 10, 3, tzinfo=UTC)


@dataclass(slots=True)
class Watch:
    """One target over time: each check's answers go into standings, and what is told comes to alerts that are open."""

    standing: dict[str, PartStanding] = field(default_factory=dict)
    still_open: set[str] = field(default_factory=set)
    sent: list[tuple[str, Urgency]] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    urgency: dict[str, Urgency] = field(default_factory=dict)
    at: datetime = BEGAN
    newest: tuple[Checked, list[Change]] | None = None

    def check(self, *parts: Part, after_minutes: int = 1) -> Telling:
        self.at += timedelta(minutes=after_minutes)
        checked = Checked("prod", "pay", parts)
        changes = [self._taken(part) for part in parts if part.outcome.value != "NOT RUN"]
        told = telling(checked, changes, frozenset(self.still_open), whom="platform", also=" Evidence: /audit/run")
        # What was open as a ticket and pages now is sent anew, as the ledger does it (ledger/alerts.py).
        self.sent += [
            (one.key, urgency)
            for one, urgency in told.raised
            if one.key not in self.still_open or (urgency, self.urgency[one.key]) == (Urgency.PAGE, Urgency.TICKET)
        ]
        self.urgency |= {one.key: urgency for one, urgency in told.raised}
        self.texts |= {one.key: one.text for one, _ in told.raised}
        self.still_open = (self.still_open | {one.key for one, _ in told.raised}) - set(told.cleared)
        self.newest = checked, changes
        return told

    def _taken(self, part: Part) -> Change:
        before = self.standing.get(part.name)
        row = part.row
        fails = part.outcome.value == "FAIL"
        answer = Answer(self.at, not fails, at_once=fails and row is not None and row.at_once)
        self.standing[part.name] = after(before or beginning(self.at), answer)
        return Change(part, before, self.standing[part.name])


@pytest.fixture
def watch() -> Watch:
    return Watch()


GONE = faulty("canary/main", "kms.permission", "403 of the key")
REFUSED = faulty("application", "kms.application_failed", "503")
WELL: Mapping[str, Part] = {name: passed(name) for name in ("health", "application", "canary/main", "golden/main")}
AWAY = faulty("health", "health.unreachable", "refused")
HEALTH = "kms:prod:pay:health"
CANARY, APPLICATION = "kms:prod:pay:canary/main", "kms:prod:pay:application"


def test_one_failure_is_not_told_and_the_second_is_once(watch: Watch) -> None:
    watch.check(GONE)
    first = list(watch.sent)
    watch.check(GONE)
    watch.check(GONE)

    assert (first, watch.sent) == ([], [(CANARY, Urgency.PAGE)])
    assert watch.texts[CANARY].startswith("The KMS refuses canary/main: 403 of the key. ")
    assert watch.texts[CANARY].endswith(" Evidence: /audit/run")


def test_what_cannot_be_a_hiccup_is_told_at_once(watch: Watch) -> None:
    watch.check(faulty("golden/main", "kms.golden_lost", "destroyed", "1"))

    assert watch.sent == [("kms:prod:pay:golden/main", Urgency.PAGE)]


def test_the_alert_is_over_after_two_passes(watch: Watch) -> None:
    watch.check(GONE)
    watch.check(GONE)
    once = watch.check(WELL["canary/main"])
    twice = watch.check(WELL["canary/main"])

    assert (once.cleared, twice.cleared) == ((), (CANARY,))


def test_the_keys_own_trouble_is_one_alert_that_names_what_it_explains(watch: Watch) -> None:
    golden = faulty("golden/main", "kms.permission", "403")
    for _ in range(2):
        watch.check(GONE, golden)

    assert watch.sent == [(CANARY, Urgency.PAGE)]
    assert "It explains what fails beside it: golden/main." in watch.texts[CANARY]


def test_a_service_that_answers_nothing_is_one_alert_with_its_own_canarys(watch: Watch) -> None:
    for _ in range(2):
        watch.check(AWAY, REFUSED)

    assert watch.sent == [(HEALTH, Urgency.PAGE)]
    assert "It explains what fails beside it: application." in watch.texts[HEALTH]


@pytest.mark.parametrize(
    ("cause", "own"),
    [
        # The check's own right to the key says nothing of the service's.
        (GONE, faulty("health", "health.not_ready", "crypto_ready is false")),
        (GONE, REFUSED),
        (faulty("canary/main", "kms.identity", "401"), REFUSED),
        (faulty("versions/main", "kms.key_unusable", "disabled"), faulty("health", "health.mode", "it is 'local'")),
        (faulty("health", "health.mode", "it is 'local'"), REFUSED),
        # Another version, one that nobody named, another key; an answer, where the cause is silence.
        (faulty("versions/main", "kms.version_disabled", version="1"), faulty("golden/main", "kms.not_opened", version="2")),
        (faulty("versions/main", "kms.version_disabled", version="1"), GONE),
        (GONE, faulty("golden/old", "kms.permission", "403")),
    ],
)  # fmt: skip
def test_what_has_another_cause_is_told_for_itself(watch: Watch, cause: Part, own: Part) -> None:
    for _ in range(2):
        watch.check(cause, own)

    assert {key for key, _ in watch.sent} == {f"kms:prod:pay:{part.name}" for part in (cause, own)}


@pytest.mark.parametrize(
    ("cause", "explained"),
    [
        (faulty("versions/main", "kms.version_destroyed", version="1"), faulty("golden/main", "kms.golden_lost", "gone", "1")),
        (faulty("versions/main", "kms.key_unusable", "disabled"), GONE),
        (faulty("canary/main", "kms.permission", "decrypting", "2"), faulty("golden/main", "kms.permission", "403", "1")),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_version_explains_what_needs_it_and_with_a_key_all_of_it(
    watch: Watch, cause: Part, explained: Part
) -> None:
    for _ in range(2):
        watch.check(cause, explained)

    assert [key for key, _ in watch.sent] == [f"kms:prod:pay:{cause.name}"]


def test_a_lost_ciphertext_is_told_beside_a_key_that_does_not_answer(watch: Watch) -> None:
    silent = faulty("canary/main", "kms.unreachable", "timeout")
    watch.check(silent, passed("golden/main"))
    watch.check(silent, faulty("golden/main", "kms.golden_lost", "destroyed", "1"))

    assert {key for key, _ in watch.sent} == {CANARY, "kms:prod:pay:golden/main"}


def test_an_open_page_about_an_old_version_silences_no_later_outage(watch: Watch) -> None:
    waits = faulty("versions/main", "kms.version_scheduled", "in 29 days", "1")
    watch.check(waits, *WELL.values())
    for _ in range(3):
        watch.check(waits, AWAY, REFUSED, GONE, passed("golden/main"))

    assert {key for key, _ in watch.sent} == {"kms:prod:pay:versions/main", HEALTH, CANARY}


def test_what_joins_a_cause_later_is_told_for_itself(watch: Watch) -> None:
    golden = faulty("golden/main", "kms.permission", "403")
    for parts in ((GONE, passed("golden/main")), (GONE, golden), (GONE, golden)):
        watch.check(*parts)

    assert [key for key, _ in watch.sent] == [CANARY, "kms:prod:pay:golden/main"]


def test_plaintext_is_told_for_itself_whatever_brought_it_about(watch: Watch) -> None:
    for _ in range(2):
        watch.check(GONE, faulty("application", "kms.plaintext"))

    assert {key for key, _ in watch.sent} == {CANARY, APPLICATION}


def test_another_keys_trouble_explains_no_golden_ciphertext(watch: Watch) -> None:
    for _ in range(2):
        watch.check(GONE, faulty("golden/old", "kms.golden_lost", "destroyed", "1"))

    assert {key for key, _ in watch.sent} == {CANARY, "kms:prod:pay:golden/old"}


def test_a_part_that_was_told_before_its_cause_stays_told_until_it_is_up(watch: Watch) -> None:
    for _ in range(2):
        watch.check(WELL["canary/main"], REFUSED)
    for _ in range(2):
        watch.check(GONE, REFUSED)
    for _ in range(2):
        watch.check(WELL["canary/main"], REFUSED)

    assert watch.sent == [(APPLICATION, Urgency.PAGE), (CANARY, Urgency.PAGE)]
    assert watch.still_open == {APPLICATION}


def test_a_part_that_flaps_is_told_twice_at_most_until_it_holds_still(watch: Watch) -> None:
    down, up = GONE, WELL["canary/main"]
    for _ in range(5):
        watch.check(down)
        watch.check(down)
        watch.check(up)
        watch.check(up)
    while_flapping = list(watch.sent)
    kept = set(watch.still_open)
    watch.check(up, after_minutes=61)
    quiet = watch.check(up)

    assert while_flapping == [(CANARY, Urgency.PAGE)] * 2
    assert "It is flapping" in watch.texts[CANARY]
    assert kept == {CANARY}
    assert (watch.still_open, quiet.raised) == (set(), ())


def test_a_ticket_that_turns_into_a_page_is_sent_again(watch: Watch) -> None:
    for _ in range(2):
        watch.check(faulty("canary/main", "kms.throttled", "429"))
    watch.check(GONE)

    assert watch.sent == [(CANARY, Urgency.TICKET), (CANARY, Urgency.PAGE)]
    assert watch.still_open == {CANARY}


def test_a_key_that_is_too_old_works_and_is_a_ticket_until_it_is_rotated(watch: Watch) -> None:
    watch.check(faulty("rotation/main", "kms.rotation_overdue", "400 days, allowed are 365"))
    told = list(watch.sent)
    watch.check(passed("rotation/main"))

    assert told == [("kms:prod:pay:rotation/main", Urgency.TICKET)]
    assert watch.still_open == set()


def test_what_is_only_slow_is_told_to_nobody(watch: Watch) -> None:
    watch.check(faulty("canary/main", "kms.slow", "1400 ms"))

    assert watch.sent == []


def test_a_part_that_was_not_run_keeps_its_alert_and_one_that_is_gone_does_not(watch: Watch) -> None:
    negative = faulty("negative/main", "kms.tampered_accepted")
    watch.check(negative)
    watch.check(not_run("negative/main", "not due"))
    kept = set(watch.still_open)
    watch.check(passed("health"))

    assert kept == {"kms:prod:pay:negative/main"}
    assert watch.still_open == set()


@pytest.mark.parametrize("fault", ["kms.plaintext", "kms.application_wrong"])
def test_a_canary_in_the_clear_has_a_page_of_its_own_that_says_whom_to_believe(fault: str) -> None:
    page = (ROOT / runbook_of(fault, FAULTS[fault].fault_class)).read_text()

    assert page.startswith("# KMSPlaintext\n")
    assert "Its health page may say kms and ready all the while" in page
    assert "Believe the canary." in page


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_a_page_that_is_there(fault: str) -> None:
    pages = {runbook_of(fault, FAULTS[fault].fault_class), runbook_of(fault, FAULTS[fault].fault_class, flaps=True)}

    assert [page for page in pages if not (ROOT / page).exists()] == []


@pytest.mark.parametrize(
    ("checks", "begins"),
    [
        ([[GONE], [GONE]], "pay canary/main is DOWN. The KMS refuses canary/main: 403 of the key."),
        ([[GONE]], "pay canary/main failed once, which is not DOWN yet. "),
        ([[GONE], [GONE], [WELL["canary/main"]]], "pay: canary/main passed again; UP after two passes in a row."),
        ([[replace(GONE, name="negative/main")] * 1, [replace(GONE, name="negative/main")], [not_run("negative/main", "not due"), WELL["health"]]], "pay: negative/main is DOWN still, and was not due this time."),
        ([[*WELL.values()]], "pay: 4 parts passed."),
        ([[WELL["health"], faulty("canary/main", "kms.slow", "1400 ms")]], "pay canary/main works, with a warning. canary/main is slow: 1400 ms."),
    ],
)  # fmt: skip
def test_the_first_line_is_the_diagnosis(watch: Watch, checks: list[list[Part]], begins: str) -> None:
    for parts in checks:
        watch.check(*parts)
    assert watch.newest is not None

    assert headline(*watch.newest, watch.standing).startswith(begins)


def test_alerts_and_spells_of_targets_that_are_gone_or_moved_are_over_in_every_environment(tmp_path: Path) -> None:
    config = Config.model_validate({"environments": {"prod": {"kind": "prod"}, "rehearsal": {"kind": "rehearsal"}}, "kms": {"pay": {"environment": "prod", "base_url": "https://a.example.org"}}})  # fmt: skip
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    for environment, target in (("prod", "pay"), ("prod", "gone"), ("staging", "pay"), ("rehearsal", "sample")):
        record_check(ledger, "run", Checked(environment, target, (faulty("golden/main", "kms.golden_lost", "x", "1"),)))
        raise_alert(ledger, f"kms:{environment}:{target}:golden/main", environment=environment, target="o", text="a. b", runbook="-")  # fmt: skip
    raise_alert(ledger, "verify:staging:slack", environment="staging", target="o", text="a. b", runbook="-")

    put_away_targets_gone(ledger, config)

    spells = [
        one
        for where in ("prod", "staging", "rehearsal")
        for one in spells_since(ledger, where, BEGAN - timedelta(days=3650))
    ]
    assert [alert.key for alert in open_alerts(ledger)] == ["kms:prod:pay:golden/main", "verify:staging:slack"]
    assert [(one.environment, one.target) for one in spells if one.ended_at is None] == [("prod", "pay")]
    ledger.close()
