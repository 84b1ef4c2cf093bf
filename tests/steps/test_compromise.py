"""A case on a real ledger: found, ordered, isolated, replaced in turn; killed anywhere it finds the same rotations again."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.compromise import Case, Exposure, Isolation
from domain.config import Config, parse_config
from domain.names import Credential
from domain.rotation import State, Wait
from domain.verdicts import Judgement, Verdict, World
from ledger.rotation_rows import rotations
from steps.compromise import (
    Sources,
    Suspect,
    channels_of,
    moment_of_ticket,
    order_replacement,
    rotations_of_case,
    suspects,
)
from steps.compromise_findings import Findings, case_report, headline
from steps.compromise_pages import development_page, management_page, security_page, timeline_page
from steps.compromise_plan import plan_lines, plan_page
from steps.emergency import Order, order_emergency
from steps.rotating import isolate
from steps.traces import journal_of, judge_case, traces_of
from tests.steps.rotation_scene import Scene
from tests.steps.rotation_workers import End, Fate
from tests.steps.rotation_world import SHAPES, Live, Shape
from vendors.registry import INTEGRATIONS, ROTATIONS

PLAIN = next(shape for shape in SHAPES if shape.name == "plain")
WITH_DISABLE = next(shape for shape in SHAPES if shape.name == "tells use")
MINUTE = timedelta(minutes=1)
Make = Callable[..., Scene]
CONFIG = """
[environments.prod]
kind = "prod"
in_scope = ["datadog", "splunk"]
[environments.prod.alerts]
page = "splunk"
"""


def config_of(text: str = CONFIG) -> Config:
    return parse_config(text, "opsflows.toml", INTEGRATIONS)


@pytest.fixture
def scene_of() -> Iterator[Make]:
    opened: list[Scene] = []

    def make(*shapes: Shape) -> Scene:
        opened.append(Scene(shapes))
        return opened[-1]

    yield make
    for scene in opened:
        scene.close()


def found_in(scene: Scene, config: Config | None = None, *chosen: Credential) -> list[Suspect]:
    sources = Sources(scene.ledger, config or config_of(), ROTATIONS, lambda _: True)
    return suspects(sources, chosen or [side.credential for side in scene.sides], case_of(scene).compromised_at)


def case_of(scene: Scene) -> Case:
    """The case of a scene: its moment is that of the first order, else now."""
    moments = [one.compromised_at for one in rotations(scene.ledger) if one.compromised_at]
    return Case("SEC-1", min(moments, default=scene.world.now))


def order_of(scene: Scene, *, first: bool = False) -> Order:
    return Order(case_of(scene).compromised_at, "ana", "compromise: leaked", "SEC-1", first, "bob" if first else "")


def findings_in(scene: Scene, found: list[Suspect]) -> Findings:
    case = case_of(scene)
    records = rotations_of_case(scene.ledger, case)
    traces = traces_of(scene.ledger, records)
    return Findings(
        case, scene.world.now, found, traces, journal_of(scene.ledger, records), (), (), (), judge_case(traces, (), World.REAL)
    )  # fmt: skip


def test_of_two_channels_the_second_waits_until_the_first_has_its_new_value_in_use(scene_of: Make) -> None:
    scene = scene_of(PLAIN, PLAIN)
    first, second = scene.sides
    order = order_of(scene, first=True)
    records = order_emergency(scene.ledger, [first.credential, second.credential], order, lambda _: True)
    first.is_away = True
    scene.step(first)

    waiting = scene.step(second)
    first.is_away = False
    scene.step(first)
    scene.step(second)

    assert waiting is not None
    assert waiting.wait is Wait.GROUP
    assert records[0].id in waiting.words
    assert not any(one.contain_first for one in records)
    assert {one.state for one in rotations(scene.ledger)} == {State.DONE}
    new = next(one for one in first.entries if one.ours).changes[0][0]
    assert all(one.changes[0][0] >= new for one in second.entries if one.ours)


def test_a_second_order_the_other_way_round_lets_no_two_channels_wait_for_each_other(scene_of: Make) -> None:
    scene = scene_of(PLAIN, PLAIN)
    one, other = (side.credential for side in scene.sides)
    scene.open(scene.sides[0])
    order_emergency(scene.ledger, [other], order_of(scene))

    order_emergency(scene.ledger, [one, other], order_of(scene), lambda _: True)
    order_emergency(scene.ledger, [other, one], order_of(scene), lambda _: True)

    for side in (*scene.sides, *scene.sides):
        scene.step(side)
    assert {record.state for record in rotations(scene.ledger)} == {State.DONE}


def test_everything_is_off_before_the_first_is_replaced(scene_of: Make) -> None:
    scene = scene_of(WITH_DISABLE, WITH_DISABLE)
    order_emergency(scene.ledger, [side.credential for side in scene.sides], order_of(scene, first=True))
    for side in scene.sides:
        scene.work(side, isolate)

    off = [side.entries[0].live for side in scene.sides]
    made = [one for side in scene.sides for one in side.entries if one.ours]
    for side in scene.sides:
        scene.step(side)

    assert (off, made) == ([Live.OFF, Live.OFF], [])
    assert {record.state for record in rotations(scene.ledger)} == {State.DONE}


def test_what_cannot_be_isolated_now_is_isolated_with_its_rotation(scene_of: Make) -> None:
    scene = scene_of(WITH_DISABLE)
    [side] = scene.sides
    order_emergency(scene.ledger, [side.credential], order_of(scene, first=True))
    side.is_away = True
    scene.work(side, isolate)
    standing = scene.record(side)
    side.is_away = False

    scene.step(side)

    assert standing is not None
    assert standing.wait is Wait.BACKOFF
    assert side.entries[0].live is Live.GONE
    assert "contained_at" in rotations(scene.ledger)[0].facts


def test_only_what_may_go_first_is_ordered_to(scene_of: Make) -> None:
    scene = scene_of(PLAIN, PLAIN)
    found = found_in(scene)

    records = order_replacement(scene.ledger, config_of(), found, order_of(scene, first=True))

    told = {str(one.credential): (one.exposure, one.isolation, one.is_channel) for one in found}
    assert told == {
        "datadog-default-prod-send": (Exposure.EXPOSED, Isolation.NO, False),
        "splunk-default-prod-send": (Exposure.EXPOSED, Isolation.NO, True),
    }
    assert [one.contain_first for one in records] == [False, False]


def test_a_value_that_an_overlap_keeps_alive_is_exposed_although_the_new_one_is_not(scene_of: Make) -> None:
    scene = scene_of(PLAIN)
    [side] = scene.sides
    compromised = scene.world.now
    scene.world.pass_time(MINUTE)
    scene.open(side)
    scene.step(side)
    sources = Sources(scene.ledger, config_of(), ROTATIONS, lambda _: True)

    found = suspects(sources, [side.credential], compromised)
    order_replacement(scene.ledger, config_of(), found, replace(order_of(scene), compromised_at=compromised))
    scene.step(side)

    assert [one.exposure for one in found] == [Exposure.EXPOSED]
    assert "accepted still" in found[0].why
    assert side.entries[0].live is Live.GONE
    assert len(rotations(scene.ledger)) == 1
    assert suspects(sources, [side.credential], compromised)[0].exposure is Exposure.NOT_EXPOSED


def test_a_credential_without_a_value_is_not_exposed(scene_of: Make) -> None:
    scene = scene_of(PLAIN)
    sources = Sources(scene.ledger, config_of(), ROTATIONS, lambda _: False)

    [found] = suspects(sources, [Credential.parse("datadog-default-prod-manage")], scene.world.now)

    assert found.exposure is Exposure.NO_VALUE
    assert order_replacement(scene.ledger, config_of(), [found], order_of(scene)) == []


def test_an_order_that_is_killed_anywhere_finds_the_same_rotations_when_it_is_given_again(scene_of: Make) -> None:
    opened, orders = set(), 0
    for after in range(12):
        scene = scene_of(PLAIN, PLAIN)
        order = order_of(scene)

        def give(scene: Scene = scene, order: Order = order) -> None:
            order_replacement(scene.ledger, config_of(), found_in(scene), order)

        scene.crew.start(lambda _, give=give: give(), "", scene.world.event, Fate(End.KILLED, after))  # type: ignore[misc]  # mypy cannot type a default of a lambda
        orders += len(rotations(scene.ledger)) == 2
        give()
        opened.add(tuple(sorted(one.id for one in rotations(scene.ledger))))

    assert 0 < orders < 12
    assert len(opened) == 1


@pytest.mark.parametrize("after", [3, 11, 22, 37])
def test_a_case_that_is_killed_while_it_is_carried_out_goes_on_with_the_same_rotations(
    scene_of: Make, after: int
) -> None:
    scene = scene_of(WITH_DISABLE)
    [side] = scene.sides
    order = order_of(scene)
    records = order_replacement(scene.ledger, config_of(), found_in(scene), order)
    scene.step(side, Fate(End.KILLED, after))
    killed = scene.record(side)
    scene.world.pass_time(5 * MINUTE)

    order_replacement(scene.ledger, config_of(), found_in(scene), order)
    scene.come_to_rest()

    findings = findings_in(scene, found_in(scene))
    assert killed is not None
    assert findings.judgement == Judgement(Verdict.GREEN, World.REAL)
    assert [one.id for one in rotations(scene.ledger)] == [one.id for one in records]
    assert [one.refused is not None for one in findings.traces] == [True]


def test_the_pages_tell_measured_times_and_name_what_was_not_seen(scene_of: Make) -> None:
    scene = scene_of(WITH_DISABLE, PLAIN)
    first, second = scene.sides
    case = case_of(scene)
    scene.world.pass_time(MINUTE)
    second.refuses_late = True
    for side in scene.sides:
        order = replace(order_of(scene, first=side is first), compromised_at=case.compromised_at)
        order_emergency(scene.ledger, [side.credential], order)
    scene.work(first, isolate)
    scene.world.pass_time(MINUTE)
    scene.step(first)
    scene.step(second)

    findings = findings_in(scene, found_in(scene))

    by_credential = {one.credential: one for one in findings.traces}
    done, waiting = by_credential[first.credential], by_credential[second.credential]
    assert (done.isolated is not None, done.replaced is not None) == (True, True)
    assert done.refused is not None
    assert done.refused.at - case.compromised_at == 2 * MINUTE
    assert (waiting.refused, findings.judgement.verdict) == (None, Verdict.WAITING)
    security, timeline = security_page(findings), timeline_page(findings)
    assert "not seen refused yet" in security
    assert "not isolated" in security
    assert f"{first.credential}--" in security.partition("## Accepted now")[0]
    assert f"{waiting.version}" in security.partition("## Accepted now")[2]
    assert timeline.count("| SEC-1") == 0
    assert all(f"{one.record.id}#{one.entry.seq} |" in timeline for one in findings.journal)
    assert "the vendor took its deletion" in security
    assert "at least 2 min" in timeline
    development = development_page(findings, lambda _: scene.policy)
    assert "who has not loaded the new value fails now" in development
    assert f"- sink0: {first.credential}--" in development
    management = management_page(findings)
    assert "2 values of 2 credentials; 1 are over" in management
    assert "Next decision: none: what is open ends by itself" in management
    assert len(management.splitlines()) < 12
    assert headline(findings) in case_report(findings)


def test_a_rotation_that_went_back_leaves_the_case_on_hold_until_it_is_ordered_again(scene_of: Make) -> None:
    scene = scene_of(PLAIN)
    [side] = scene.sides
    order = order_of(scene)
    scene.world.pass_time(MINUTE)
    order_replacement(scene.ledger, config_of(), found_in(scene), order)
    scene.roll_back(side)
    scene.step(side)
    stood = findings_in(scene, found_in(scene))
    scene.world.pass_time(MINUTE)

    order_replacement(scene.ledger, config_of(), found_in(scene), order)
    scene.step(side)

    now = findings_in(scene, found_in(scene))
    assert (stood.judgement.verdict, now.judgement.verdict) == (Verdict.HOLD, Verdict.GREEN)
    assert [one.state for one in rotations_of_case(scene.ledger, now.case)] == [State.ABORTED, State.DONE]
    assert len(now.traces) == 1
    assert moment_of_ticket(scene.ledger, "SEC-1") == order.compromised_at
    assert moment_of_ticket(scene.ledger, "SEC-2") is None


def test_a_plan_says_that_both_channels_are_in_the_scope_and_what_a_person_must_do(scene_of: Make) -> None:
    scene = scene_of(PLAIN, PLAIN)
    config = config_of(CONFIG + 'ticket = "datadog"\n')
    found = found_in(
        scene,
        config,
        *(Credential.parse(f"splunk-default-prod-{one}") for one in ("manage", "read", "send")),
        scene.sides[0].credential,
    )

    page = plan_page(case_of(scene), found, plan_lines(found, {}, isolates=True))

    assert "Both alert channels of prod" in page
    assert str(found[-1].credential) == "splunk-default-prod-manage"
    assert all(channels_of(config)(one.credential) for one in found)
    assert "Create: " in page
    assert "isolated first: no" in page
