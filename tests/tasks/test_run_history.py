"""Run history can be narrowed to an environment, a mode and a reason, and costs one request a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from prefect import Flow, flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.runtime import flow_run

from deployments.catalog import CATALOG
from tasks.run_history import named, reason_recorded_as, recorded_as, tag_run, tags_of


@flow(flow_run_name=named("try tags"), persist_result=False)
def tagged_twice() -> tuple[str, list[str]]:
    tag_run(environment="staging", mode="real_all apply", reason="scheduled")
    tag_run(environment="prod", mode="real_all apply", reason="scheduled", name="try staging, prod (by hand)")
    context = FlowRunContext.get()
    assert context
    assert context.flow_run
    return str(flow_run.id), list(context.flow_run.tags)


@pytest.mark.parametrize(
    ("environment", "mode", "tags"),
    [
        ("staging", "plan", ["environment:staging", "mode:plan", "reason:test"]),
        ("staging", "real_all apply", ["environment:staging", "mode:apply", "reason:test"]),
        ("-", "real_all", ["reason:test"]),
    ],
)
def test_a_tag_says_one_thing_in_one_word(environment: str, mode: str, tags: list[str]) -> None:
    assert tags_of(environment, mode, "test") == tags


@pytest.mark.usefixtures("prefect")
def test_a_run_about_two_environments_has_both_tags_and_the_name_that_says_so() -> None:
    run_id, known = tagged_twice()

    with get_client(sync_client=True) as client:
        seen = client.read_flow_run(run_id)  # type: ignore[arg-type]  # a UUID as text is one
    assert seen.name == "try staging, prod (by hand)"
    assert sorted(seen.tags) == ["environment:prod", "environment:staging", "mode:apply", "reason:scheduled"]
    assert sorted(known) == sorted(seen.tags)


def test_outside_of_a_run_nothing_is_tagged() -> None:
    tag_run(environment="staging", mode="plan", reason="test")


def test_a_run_that_somebody_starts_is_named_after_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_run, "tags", [], raising=False)
    names = []
    for parameters in ({"operator": "ana"}, {"operator": "schedule"}, {}):
        monkeypatch.setattr(flow_run, "parameters", parameters, raising=False)
        names.append(named("sweep")())

    assert names == ["sweep (by ana)", "sweep (by hand)", "sweep (by hand)"]


@pytest.mark.parametrize(
    ("key", "form", "who"),
    [
        ("scheduled d s 2026-11-26", "schedule", "whoever"),
        ("automation", "automation", "whoever"),
        ("rotation:l:r", "", "whoever"),
        (None, "schedule", "by hand (Prefect UI)"),
        (None, "automation", "by hand (Prefect UI)"),
        (None, "", "by hand (Prefect UI)"),
        (None, " ", "by hand (Prefect UI)"),
        # Asked for something else than who starts it.
        (None, None, "whoever"),
    ],
    ids=["scheduled", "by an automation", "by opsflows", "left at schedule", "left at automation", "left empty", "blank", "no such field"],
)  # fmt: skip
def test_who_is_recorded_where_nobody_gave_a_name(key: str | None, form: str | None, who: str) -> None:
    with started(key, {} if form is None else {"operator": form}):
        recorded = recorded_as("whoever")

    assert recorded == who


def test_a_name_is_recorded_without_what_surrounds_it_and_is_never_blank() -> None:
    with started("key", {"operator": " "}):
        recorded = [recorded_as(" "), recorded_as(" ana "), named("sweep")()]

    assert recorded == ["by hand", "ana", "sweep (by hand)"]


@pytest.mark.parametrize("flow", [entry.flow for entry in CATALOG], ids=lambda flow: flow.name)
def test_a_forms_own_reason_is_none_of_a_persons(flow: Flow[..., object]) -> None:
    in_the_form = flow.parameters.properties.get("reason", {}).get("default") or "why"
    has_one = in_the_form != "why"

    with started(None, {"operator": "ana"}, flow):
        by_hand = [reason_recorded_as(in_the_form), reason_recorded_as("a word of mine"), reason_recorded_as("")]
    with started("scheduled", {}, flow):
        scheduled = reason_recorded_as(in_the_form)

    assert by_hand == ["not given" if has_one else "why", "a word of mine", ""]
    assert scheduled == in_the_form


@contextmanager
def started(key: str | None, parameters: dict[str, str], flow: Flow[..., object] | None = None) -> Iterator[None]:
    """Be in a deployment's run; what the UI starts has no idempotency key, and everything else has one."""
    run = FlowRun(flow_id=uuid4(), deployment_id=uuid4(), idempotency_key=key, tags=[])
    with FlowRunContext.model_construct(flow=flow, flow_run=run, parameters=parameters):  # type: ignore[call-arg]  # the others are not looked at
        yield
