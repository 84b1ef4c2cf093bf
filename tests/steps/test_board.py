"""The board tells each named state in words, is green only where all of it was seen, and asks the ledger the same few times."""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from domain.attention import Weight
from domain.board import SCHEDULED, Board, Look, alone
from domain.config import Config
from domain.errors import Unavailable
from domain.kms_standing import Standing
from domain.names import (
    COLLECT_COUNTS,
    KMS_SMOKE,
    RECONCILE,
    ROTATE,
    ROTATE_DUE,
    STEP_ROTATION,
    SWEEPER,
    VERIFY_DUE,
    Credential,
)
from domain.probes import Outcome
from domain.reconciliation import Finding
from domain.rotation import State, Wait
from domain.verdicts import Verdict
from ledger.held_credentials import mark_compromised
from ledger.investigations import close_investigation, open_investigation
from ledger.newest import NewestMonth, PartSeen
from ledger.opening import Ledger
from ledger.waivers import waive
from ledger.wiring import record_rehearsal
from steps.attention_of_credentials import due_credentials
from steps.attention_of_rotations import rotation_lines
from steps.board_cells import credential_cell, finding_cell, month_cell, rotation_cell
from steps.board_document import away_document, document
from steps.board_kms import kms_cells
from steps.board_page import away_page, page
from steps.board_schedules import PrefectSeen
from steps.rotation_calendar import Standing as CredentialStanding
from steps.rotation_calendar import standings
from steps.shared_facts import SharedFacts, shared_facts
from steps.version import code_version
from tests.domain.test_rotation import NOON, RECORD
from tests.steps import board_scenes as scenes
from vendors.registry import ROTATIONS

AWAY = PrefectSeen(wrong="The Prefect server did not answer as it should (ConnectError).")
UI = "https://prefect.example.com"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def ledger(tmp_path: Path, made_ledger: Path) -> Iterator[Ledger]:
    shutil.copy(made_ledger, tmp_path / "ledger.db")
    opened = scenes.opened(tmp_path)
    yield opened
    opened.close()


def words(board: Board) -> str:
    return page(board, prefect_ui=UI, docs=".")


def cells(board: Board, environment: str = "prod") -> dict[str, tuple[Look, str]]:
    """Return how each thing of an environment stands, by what it is: `slack verified`, `slack send`, `pay`, a credential."""
    [one] = [one for one in board.environments if one.name == environment]
    of_rows = {f"{row.target} {cell.name}": cell for row in one.rows for cell in row.cells}
    found = of_rows | {cell.name: cell for cell in (*one.rotations, one.month, *one.kms)}
    return {name: (cell.look, cell.words) for name, cell in found.items()}


def ticks(board: Board) -> dict[str, tuple[Look, str, Look, str]]:
    return {one.name: (one.last.look, one.last.words, one.next.look, one.next.words) for one in board.schedules}


def test_a_new_ledger_is_not_yet_and_never_green(ledger: Ledger) -> None:
    found = scenes.read(ledger, PrefectSeen(at=ledger.now()))

    told = cells(found)
    assert told["slack verified"] == (Look.NOT_YET, "not verified yet; not rehearsed with this version")
    assert told["slack send"] == (Look.NOT_YET, "not seen yet")
    assert told["reconciliation"] == (Look.NOT_YET, "not reconciled yet")
    assert told["pay"] == (Look.NOT_YET, "not checked yet")
    assert Look.GREEN not in {look for look, _ in told.values()}
    assert {row[2:] for row in ticks(found).values()} == {(Look.HOLD, "not deployed")}
    assert found.verdict is Look.HOLD


def test_a_new_ledger_beside_schedules_that_tick_is_not_yet_anything_else(ledger: Ledger) -> None:
    found = scenes.read(ledger, scenes.everything_well(ledger.now()))

    assert found.verdict is Look.NOT_YET
    assert found.sentence.startswith("Not all of it was looked at yet: prod datadog, ")
    assert "GREEN" not in words(found).partition("<main>")[0]


def test_all_of_it_seen_to_work_is_green(ledger: Ledger) -> None:
    scenes.all_well(ledger)

    found = scenes.read(ledger, scenes.everything_well(ledger.now()))

    assert {place: look for place, (look, _) in cells(found).items() if look not in {Look.GREEN, Look.ASIDE}} == {}
    assert (found.verdict, found.sentence) == (
        Look.GREEN, "All of it was seen to work: 5 integrations and platforms in prod.",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("weight", "verdict", "sentence"),
    [
        (Weight.NOW, Look.HOLD, "1 thing needs someone now: Slack is refused."),
        (Weight.SOON, Look.WAITING, "Nothing is wrong. 1 thing will need someone: Slack is refused."),
        (Weight.LATER, Look.WAITING, "Nothing is wrong. 1 thing will need someone: Slack is refused."),
    ],
)
def test_whatever_needs_someone_keeps_it_from_green(
    weight: Weight, verdict: Look, sentence: str, ledger: Ledger
) -> None:
    scenes.all_well(ledger)

    found = scenes.read(ledger, scenes.everything_well(ledger.now()), scenes.needs(weight))

    assert (found.verdict, found.sentence) == (verdict, sentence)
    assert "opsflows verify --environment prod</code>" in words(found)


def test_prefect_away_is_said_and_nothing_about_runs_is_green(ledger: Ledger) -> None:
    scenes.all_well(ledger)

    found = scenes.read(ledger, AWAY)

    assert found.verdict is Look.NOT_KNOWN
    assert found.sentence == "Could not be seen: Prefect. What could be seen shows nothing wrong."
    assert {look for one in found.schedules for look in (one.last.look, one.next.look)} == {Look.NOT_KNOWN}
    assert AWAY.wrong in words(found)


def test_each_integration_says_in_its_own_words_what_is_wrong(ledger: Ledger, tmp_path: Path) -> None:
    scenes.verified(ledger, {"slack": Outcome.FAIL, "sentry": Outcome.PASS, "datadog": Outcome.BLOCKED})
    scenes.live(ledger, ledger.now().date() - timedelta(days=1))
    later = scenes.opened(tmp_path, timedelta(hours=30))

    found = scenes.read(later, scenes.everything_well(later.now()))

    told = cells(found)
    assert told["slack verified"] == (Look.HOLD, "FAIL 30 h ago, real, by schedule (verify-due)")
    assert told["sentry verified"] == (Look.HOLD, "PASS 30 h ago, real, by schedule (verify-due)")
    assert told["datadog verified"][1].startswith("BLOCKED 30 h ago")
    assert told["pagerduty verified"] == (Look.HOLD, "live, and never verified; not rehearsed with this version")
    text = words(found)
    assert "slack answers 403. &lt;script&gt;alert(1)&lt;/script&gt; Failing since " in text
    assert "Overdue: daily, due since " in text
    assert f'{UI}/runs/flow-run/0190-prefect"' in text
    assert './docs/integrations/slack.md"' in text
    later.close()


def test_each_credential_says_how_old_it_is_and_what_comes(ledger: Ledger, tmp_path: Path) -> None:
    scenes.held(ledger, "slack-default-prod-send")
    later = scenes.opened(tmp_path, timedelta(days=100))
    scenes.held(later, "sentry-default-prod-send")

    told = cells(scenes.read(later, scenes.everything_well(later.now())))

    assert told["slack send"][0] is Look.HOLD
    assert told["slack send"][1].startswith("100 days old, OVERDUE since ")
    assert told["sentry send"][1].startswith("0 days old, next ")
    assert told["datadog send"] == (Look.NOT_YET, "not seen yet")
    later.close()


def test_an_open_overlap_says_when_it_ends_and_a_rotation_that_stands_still_is_on_hold(ledger: Ledger) -> None:
    scenes.all_well(ledger)
    scenes.standing(ledger, "slack-default-prod-send", State.PUBLISHED, Wait.OVERLAP, timedelta(hours=5))
    scenes.standing(ledger, "datadog-default-prod-send", State.PUBLISHED, Wait.BLOCKED_STILL_USED, timedelta(hours=1))
    ends = ledger.now() + timedelta(hours=5)

    found = scenes.read(ledger, scenes.everything_well(ledger.now()))

    told = cells(found)
    assert told["slack-default-prod-send"] == (Look.WAITING, f"overlap open, ends {ends:%Y-%m-%d %H:%M} UTC")
    assert told["slack send"][1] == "0 days old, rotating now"
    assert told["datadog-default-prod-send"][0] is Look.HOLD
    assert told["datadog-default-prod-send"][1].startswith("PUBLISHED (BLOCKED_STILL_USED), looked at again ")
    assert "It stands at BLOCKED_STILL_USED. Look at it." in words(found)
    assert "./docs/runbooks/rotation-stuck.md" in words(found)
    assert "datadog" in found.sentence


def test_kms_says_what_is_down_what_is_doubted_and_what_nobody_checks(ledger: Ledger, tmp_path: Path) -> None:
    scenes.checked(ledger, "pay", scenes.DOWN)
    scenes.checked(ledger, "ship", scenes.DOUBTED)

    soon = cells(scenes.read(ledger, AWAY))
    later = scenes.opened(tmp_path, timedelta(hours=3))
    found = scenes.read(later, AWAY)

    assert (soon["pay"][0], soon["pay"][1].partition(" since ")[0]) == (Look.HOLD, "DOWN")
    assert soon["ship"] == (Look.WAITING, "UP, but its last answer failed: canary/main; checked 0 min ago")
    assert soon["stock"] == (Look.NOT_YET, "not checked yet")
    assert cells(found)["ship"] == (Look.NOT_KNOWN, "checked 3 h ago; it was UP then")
    assert "What it encrypted is lost for good." in words(found)
    later.close()


def test_a_month_on_hold_is_quieter_once_all_of_it_is_waived_and_never_green(ledger: Ledger) -> None:
    scenes.month(ledger, {"slack": Finding.BREACH, "sentry": Finding.OK, "datadog": Finding.PROVISIONAL}, Verdict.HOLD)

    before = cells(scenes.read(ledger, AWAY))
    until = ledger.now().date() + timedelta(days=5)
    waive(ledger, "prod", f"reconciliation slack {scenes.OCTOBER}", "ada", "known", until)
    after = cells(scenes.read(ledger, AWAY))

    assert before["slack month"] == (Look.HOLD, "BREACH")
    assert before["sentry month"] == (Look.GREEN, "OK")
    assert before["datadog month"][0] is Look.WAITING
    assert before["reconciliation"][0] is Look.HOLD
    assert before["reconciliation"][1].startswith("2026-10 HOLD, final, revision 1 of ")
    assert after["slack month"] == (Look.WAITING, "BREACH, waived")
    assert after["reconciliation"][0] is Look.WAITING


def test_a_finding_whose_investigation_is_closed_is_waited_on_as_a_waived_one(ledger: Ledger) -> None:
    newest = NewestMonth(
        scenes.OCTOBER,
        1,
        Verdict.HOLD,
        is_final=True,
        findings={"slack": Finding.BREACH, "sentry": Finding.BREACH},
        run_id="r",
        at=ledger.now(),
    )
    closed = {"slack": "closed: ada looked into it"}

    one = month_cell(newest, None, is_recorded=True, accepted=closed)
    both = month_cell(newest, None, is_recorded=True, accepted=closed | {"sentry": "waived"})
    slack = finding_cell("slack", newest, closed["slack"])

    assert (one.look, both.look) == (Look.HOLD, Look.WAITING)
    assert (slack.look, slack.words) == (Look.WAITING, "BREACH, closed: ada looked into it")
    assert (both.facts["closed"], both.facts["waived"]) == (["slack"], ["sentry"])


def test_a_closed_investigation_in_the_ledger_quiets_its_month(ledger: Ledger) -> None:
    scenes.month(ledger, {"slack": Finding.BREACH}, Verdict.HOLD)
    day = ledger.now().date() + timedelta(days=3)
    open_investigation(ledger, "prod", scenes.OCTOBER, "slack", "ada", day)
    close_investigation(ledger, "prod", scenes.OCTOBER, "slack", who="ada", outcome="counted twice")

    told = cells(scenes.read(ledger, AWAY))

    assert told["slack month"] == (Look.WAITING, "BREACH, closed: ada looked into it")
    assert told["reconciliation"][0] is Look.WAITING


def test_an_exposed_credential_is_on_hold_however_young(ledger: Ledger) -> None:
    scenes.held(ledger, "slack-default-prod-send")
    until = ledger.now()
    mark_compromised(ledger, Credential.parse("slack-default-prod-send"), until)

    found = scenes.read(ledger, AWAY)

    look, said = cells(found)["slack send"]
    assert (look, said.partition(",")[0]) == (Look.HOLD, f"exposed until {until:%Y-%m-%d %H:%M} UTC")
    assert "docs/runbooks/rotation-compromise.md" in words(found)


def test_a_last_good_end_that_is_too_old_is_on_hold_and_says_how_often_one_is_due(ledger: Ledger) -> None:
    now = ledger.now()
    old = replace(scenes.ticking(KMS_SMOKE, now), last=scenes.seen_run(KMS_SMOKE, "COMPLETED", "Completed", now - timedelta(days=9)))  # fmt: skip
    never = replace(scenes.ticking(VERIFY_DUE, now), last=None, made_at=now - timedelta(days=3))

    found = scenes.read(ledger, PrefectSeen((old, never), now))

    told = ticks(found)
    assert told["kms-smoke"][:2] == (Look.HOLD, "Completed 9 days ago")
    assert told["verify-due"][:2] == (Look.HOLD, "never ran")
    assert "A good end is due every 100 min." in words(found)


def test_one_fresh_kms_part_does_not_answer_for_the_others(ledger: Ledger) -> None:
    now = ledger.now()

    def seen(name: str, ago: timedelta | None) -> PartSeen:
        return PartSeen(
            "prod", "pay", name, Standing.UP, now - timedelta(days=9), None if ago is None else now - ago, passed=True
        )

    fresh, daily = seen("health", timedelta(minutes=2)), seen("negative/main", timedelta(hours=20))
    old, never = seen("canary/main", timedelta(days=5)), seen("golden/main", None)

    [stale] = kms_cells("pay", ("health",), [fresh, daily, old], {}, now)
    [unanswered, unseen] = kms_cells("pay", ("health", "golden/main"), [fresh, daily, never], {}, now)
    [well] = kms_cells("pay", ("health", "negative/main"), [fresh, daily], {}, now)

    assert (stale.look, stale.words) == (
        Look.NOT_KNOWN,
        "no answer of late, UP before: canary/main; checked 5 days ago",
    )
    assert (unanswered.look, unanswered.words) == (Look.NOT_YET, "UP, 2 of 3 parts, checked 2 min ago")
    assert (unseen.look, unseen.name, unseen.words) == (Look.NOT_YET, "pay golden/main", "never seen")
    assert (well.look, well.words) == (Look.GREEN, "UP, 2 parts, checked 2 min ago")


def test_a_kms_part_that_is_named_and_was_never_seen_has_a_row_whatever_the_others_say(ledger: Ledger) -> None:
    key = '[kms.pay.keys.main]\nprovider = "gcp"\nkey = "projects/p/locations/l/keyRings/r/cryptoKeys/k"\n'
    config = scenes.parsed(scenes.CONFIG.replace("[kms.ship]", f"{key}[kms.ship]"))
    scenes.all_well(ledger)
    scenes.checked(ledger, "pay", scenes.DOWN)

    found = scenes.read(ledger, scenes.everything_well(ledger.now()), config=config)

    told = cells(found)
    assert told["pay"][0] is Look.HOLD
    assert told["pay golden/main"] == (Look.NOT_YET, "never seen")
    assert "pay canary/main" not in told
    assert document(found)["environments"][0]["kms"][0]["facts"]["parts"]["golden/main"] == "NOT SEEN"  # type: ignore[index]
    assert "opsflows kms check pay says why." in words(found)


@pytest.mark.parametrize("wait", Wait)
def test_the_board_holds_for_a_rotation_where_the_list_of_what_needs_someone_says_now(wait: Wait) -> None:
    record = replace(RECORD, wait=wait, not_before=NOON + timedelta(hours=1))

    cell = rotation_cell(record, NOON)
    lines = rotation_lines([record], {}, [], is_frozen=False, now=NOON)

    assert cell.look is (Look.HOLD if Weight.NOW in {one.weight for one in lines} else Look.WAITING)


def test_an_exposed_and_a_too_old_credential_hold_the_board_and_are_needed_now_at_whatever_wait_their_rotation_stands(
    ledger: Ledger, tmp_path: Path
) -> None:
    config, names = scenes.parsed(), ("slack-default-prod-send", "sentry-default-prod-send")
    old, exposed = (Credential.parse(name) for name in names)
    scenes.held(ledger, names[0])
    later = scenes.opened(tmp_path, timedelta(days=400))
    mark_compromised(later, exposed, later.now())
    for name in names:
        scenes.standing(later, name, wait=Wait.BACKOFF, until=timedelta(minutes=10))
    facts = shared_facts(later, config, ROTATIONS)
    stand = standings(later, config, ROTATIONS, [old, exposed])

    judged = {wait: _judged(config, facts, stand, wait) for wait in Wait}

    told = {f"age:{old}": Weight.NOW, f"exposed:{exposed}": Weight.NOW}
    assert judged == dict.fromkeys(Wait, ({Look.HOLD}, told))
    later.close()


def test_a_rotation_that_nobody_steps_is_on_hold_and_says_so() -> None:
    cell = rotation_cell(RECORD, NOON + timedelta(hours=3))

    assert (cell.look, cell.words) == (Look.HOLD, f"overlap open, ends {NOON:%Y-%m-%d %H:%M} UTC (past)")
    assert cell.more.startswith(f"Nobody steps it, due since {NOON:%Y-%m-%d %H:%M} UTC.")


def test_each_schedule_says_what_keeps_it_from_ticking(ledger: Ledger) -> None:
    now = ledger.now()
    broken = {
        SWEEPER: scenes.ticking(SWEEPER, now, "CRASHED", "Crashed"),
        VERIFY_DUE: scenes.ticking(VERIFY_DUE, now, "FAILED", "Hold"),
        KMS_SMOKE: scenes.ticking(KMS_SMOKE, now, ahead=-timedelta(minutes=40)),
        ROTATE_DUE: scenes.ticking(ROTATE_DUE, now, ahead=None, is_off=True),
        RECONCILE: scenes.ticking(RECONCILE, now, ahead=None),
    }

    found = scenes.read(ledger, PrefectSeen(tuple(broken.values()), now))

    told = ticks(found)
    assert told["sweeper"][:2] == (Look.HOLD, "Crashed 60 min ago")
    assert told["verify-due"][:2] == (Look.HOLD, "Hold 60 min ago")
    assert told["kms-smoke"][2:] == (Look.HOLD, f"LATE: due {now - timedelta(minutes=40):%Y-%m-%d %H:%M} UTC, not begun (Scheduled)")  # fmt: skip
    assert told["rotate-due"][2:] == (Look.WAITING, "paused")
    assert told["reconcile-events"][2:] == (Look.HOLD, "none is scheduled")
    assert told["collect-counts"] == (Look.NOT_YET, "never ran", Look.HOLD, "not deployed")
    assert "why it ended Hold" in words(found)
    assert f"{UI}/runs/flow-run/run-{VERIFY_DUE}" in words(found)


def test_all_that_is_on_hold_leads_into_prefect_and_to_a_page_that_is_there(ledger: Ledger) -> None:
    now = ledger.now()
    scenes.live(ledger, now.date() - timedelta(days=1))
    scenes.verified(ledger, {"slack": Outcome.FAIL})
    scenes.standing(ledger, "datadog-default-prod-send", State.PUBLISHED, Wait.BLOCKED_STILL_USED, timedelta(hours=1))
    scenes.checked(ledger, "pay", scenes.DOWN)
    scenes.month(ledger, {"slack": Finding.BREACH}, Verdict.HOLD)
    runs = {
        **{name: scenes.ticking(name, now) for name in (*SCHEDULED, STEP_ROTATION, ROTATE)},
        SWEEPER: scenes.ticking(SWEEPER, now, "CRASHED", "Crashed"),
        COLLECT_COUNTS: scenes.ticking(COLLECT_COUNTS, now, ahead=-timedelta(minutes=40)),
        ROTATE_DUE: scenes.ticking(ROTATE_DUE, now, ahead=None),
    }

    found = scenes.read(ledger, PrefectSeen(tuple(runs.values()), now))

    [prod] = [one for one in found.environments if one.name == "prod"]
    of_prod = [*(cell for row in prod.rows for cell in row.cells), *prod.rotations, prod.month, *prod.kms]
    held = [cell for cell in (*of_prod, *(cell for one in found.schedules for cell in (one.last, one.next))) if cell.look is Look.HOLD]  # fmt: skip
    assert {"verified", "datadog-default-prod-send", "pay", "month", "reconciliation", "last run", "next run"} <= {cell.name for cell in held}  # fmt: skip
    assert [cell.name for cell in held if not (cell.run or cell.deployment)] == []
    assert [(cell.name, cell.page) for cell in held if not (ROOT / cell.page).is_file()] == []
    assert {cell.page for cell in held} >= {f"docs/runbooks/run-{name}.md" for name in ("failed", "late", "missing")}


def test_the_rehearsal_decides_nothing_beside_others_and_everything_by_itself(ledger: Ledger) -> None:
    scenes.all_well(ledger)
    scenes.verified(ledger, {"slack": Outcome.FAIL}, "rehearsal", "run-r")
    broken = scenes.needs(Weight.NOW, environment="rehearsal")

    found = scenes.read(ledger, scenes.everything_well(ledger.now()), broken)
    rehearsal = alone(found, "rehearsal")

    assert [one.name for one in found.environments] == ["prod", "rehearsal"]
    assert (found.verdict, found.needs) == (Look.GREEN, ())
    assert rehearsal is not None
    assert (rehearsal.verdict, rehearsal.needs, rehearsal.world) == (Look.HOLD, (broken,), "rehearsal")
    assert "<h1>▲ HOLD (rehearsal)</h1>" in words(rehearsal)
    assert alone(found, "nowhere") is None


def test_what_was_rehearsed_with_this_version_is_green_in_the_rehearsal_alone(ledger: Ledger) -> None:
    record_rehearsal(ledger, code_version(), "run-d", ["slack"])
    record_rehearsal(ledger, "another version", "run-d", ["sentry"])

    found = scenes.read(ledger, AWAY)

    assert cells(found, "rehearsal")["slack verified"] == (Look.GREEN, "PASS 0 min ago, rehearsal")
    assert cells(found)["slack verified"] == (Look.NOT_YET, "not verified yet; rehearsed 0 min ago")
    assert cells(found)["sentry verified"] == (Look.NOT_YET, "not verified yet; not rehearsed with this version")


def test_machines_read_the_same_and_no_markup(ledger: Ledger) -> None:
    scenes.verified(ledger, {"slack": Outcome.PASS})
    found = scenes.read(ledger, AWAY, scenes.needs(Weight.NOW))

    told = json.loads(json.dumps(document(found)))

    assert (told["verdict"], told["as_of"]) == ("HOLD", found.now.isoformat())
    [prod] = [one for one in told["environments"] if one["environment"] == "prod"]
    [slack] = [row for row in prod["integrations"] if row["target"] == "slack"]
    assert (slack["verified"]["look"], slack["verified"]["flow_run"]) == ("GREEN", "0190-prefect")
    assert slack["verified"]["facts"]["by"] == "schedule"
    assert told["attentions"][0]["command"] == "opsflows verify --environment prod"
    assert told["prefect"]["look"] == "NOT KNOWN"
    assert "</" not in json.dumps(told)


def test_a_ledger_away_is_a_page_that_says_so_and_shows_nothing_of_before() -> None:
    error = Unavailable(
        "The PostgreSQL database 'ops' at db does not answer.", "Nothing was read.", "See that it runs.", "x"
    )
    at = datetime(2026, 11, 26, 3, 0, 5, tzinfo=UTC)

    text, told = away_page(error, at), away_document(error, at)

    assert ("<h1>? NOT KNOWN</h1>" in text, "does not answer." in text, "2026-11-26 03:00:05 UTC" in text) == (
        True,
        True,
        True,
    )
    assert told["verdict"] == "NOT KNOWN"
    assert "GREEN" not in text


def test_the_ledger_is_asked_equally_often_however_many_integrations_there_are(ledger: Ledger) -> None:
    few = scenes.parsed('[environments.prod]\nkind = "prod"\nin_scope = ["slack"]\n')
    names = ", ".join(f'"slack/team{number}"' for number in range(40))
    many = scenes.parsed(f'[environments.prod]\nkind = "prod"\nin_scope = ["slack", {names}]\n')
    asked: list[str] = []
    event.listen(ledger.engine, "before_cursor_execute", lambda *told: asked.extend(_selects(told[2])))

    scenes.read(ledger, AWAY, config=few)
    for_few, asked[:] = len(asked), []
    scenes.read(ledger, AWAY, config=many)

    assert for_few == len(asked)
    assert for_few == 13


def test_everything_that_must_tick_is_on_the_board(ledger: Ledger) -> None:
    found = scenes.read(ledger, AWAY)

    assert {one.name for one in found.schedules} == {name.partition("/")[2] for name in SCHEDULED}


def _judged(
    config: Config, facts: SharedFacts, stand: Sequence[CredentialStanding], wait: Wait
) -> tuple[set[Look], dict[str, Weight]]:
    """Return how board and list judge the credentials themselves while their rotations stand at the wait."""
    rotations = [replace(one, wait=wait) for one in facts.rotations]
    of = {one.credential: one for one in rotations}
    looks = {credential_cell(replace(one, rotation=of[one.credential]), facts.now).look for one in stand}
    lines = due_credentials(config, facts.lives, facts.held, rotations, facts.now)
    return looks, {one.key: one.weight for one in lines}


def _selects(statement: str) -> list[str]:
    return [statement] if statement.startswith("SELECT") else []
