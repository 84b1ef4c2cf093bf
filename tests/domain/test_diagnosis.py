"""Every failure has a row, the first that fits speaks, and one cause behind several failures is named once."""

from datetime import timedelta
from itertools import chain

import pytest

from domain.diagnosis import (
    DELIVERED_UNSEEN,
    FALLBACK,
    NETWORK,
    NOT_DELIVERED,
    SUBSTRATE,
    Kind,
    Signature,
    Symptom,
    error_of,
    matching,
    raised_from,
    substrate_failure,
)
from domain.errors import NotYet, Rejected, Unavailable
from domain.exchanges import Effect
from vendors.registry import INTEGRATIONS

ROW = Signature(
    "x.row", frozenset({403}), Kind.REJECTED, "{system} answered {status} to {verb}.", "Means.", "Next.",
    marker="Token Disabled", verbs=frozenset({"send"}),
)  # fmt: skip
GENERAL = Signature("x.general", frozenset({403}), Kind.NOT_YET, "Saw.", "Means.", "Next.")


@pytest.mark.parametrize(
    ("verb", "status", "body", "fits"),
    [
        ("send", 403, '{"text":"token disabled"}', True),
        ("send", 403, "TOKEN DISABLED", True),
        ("send", 403, "token", False),
        ("read", 403, "token disabled", False),
        ("send", 401, "token disabled", False),
    ],
)
def test_a_row_fits_by_verb_status_and_marker_in_any_case(verb: str, status: int, body: str, fits: bool) -> None:  # noqa: FBT001 (a column)
    assert ROW.fits(verb, status, body) is fits


def test_a_row_without_marker_and_verbs_fits_every_body_and_verb() -> None:
    assert GENERAL.fits("anything", 403, "")


def test_the_first_row_that_fits_speaks() -> None:
    assert matching((ROW, GENERAL), "send", 403, "token disabled") is ROW
    assert matching((ROW, GENERAL), "send", 403, "something else") is GENERAL
    assert matching((ROW, GENERAL), "send", 500, "") is None


@pytest.mark.parametrize("effect", list(Effect))
def test_every_status_has_a_row_where_the_vendors_own_are_silent(effect: Effect) -> None:
    speechless = [status for status in range(100, 600) if matching(FALLBACK[effect], "send", status, "") is None]

    assert speechless == []


@pytest.mark.parametrize(
    ("status", "effect", "kind"),
    [
        (400, Effect.CHANGES, Kind.REJECTED),
        (401, Effect.READS, Kind.REJECTED),
        (403, Effect.CHANGES, Kind.REJECTED),
        (404, Effect.READS, Kind.REJECTED),
        (422, Effect.CHANGES, Kind.REJECTED),
        (429, Effect.READS, Kind.UNAVAILABLE),
        (429, Effect.CHANGES, Kind.UNAVAILABLE),
        (408, Effect.CHANGES, Kind.OUTCOME_UNKNOWN),
        (500, Effect.READS, Kind.UNAVAILABLE),
        (500, Effect.CHANGES, Kind.OUTCOME_UNKNOWN),
        (503, Effect.CHANGES, Kind.OUTCOME_UNKNOWN),
        (200, Effect.CHANGES, Kind.OUTCOME_UNKNOWN),
        (302, Effect.READS, Kind.UNAVAILABLE),
    ],
)
def test_what_a_status_allows_next_depends_on_what_the_request_does(status: int, effect: Effect, kind: Kind) -> None:
    row = matching(FALLBACK[effect], "send", status, "")

    assert row is not None
    assert row.kind is kind


def test_a_row_becomes_an_error_that_names_system_verb_and_status() -> None:
    error = raised_from(ROW, "splunk", "send", 403, timedelta(seconds=7))

    assert isinstance(error, Rejected)
    assert error.happened == "splunk answered 403 to send."
    assert (error.means, error.next_step, error.symptom) == ("Means.", "Next.", "x.row")
    assert error.retry_after == timedelta(seconds=7)


def test_a_symptom_becomes_an_error_of_the_kind_asked_for() -> None:
    row = Symptom("x.unseen", "No event carries {nonce}.", "{nonce} is not there.", "Wait for {nonce}.")

    error = error_of(row, NotYet, nonce="n1")

    assert isinstance(error, NotYet)
    assert str(error) == "No event carries n1. n1 is not there. Wait for n1."


@pytest.mark.parametrize("row", list(NETWORK.values()), ids=lambda row: row.id)
def test_a_network_failure_fills_its_sentences_from_host_verb_and_seconds(row: Symptom) -> None:
    error = error_of(row, Unavailable, host="api.example.org", verb="send", seconds="10")

    assert "{" not in str(error)
    assert error.symptom == row.id
    assert "api.example.org" in str(error)


@pytest.mark.parametrize(
    ("failed", "names"),
    [
        ([("slack", "network.dns"), ("sentry", "network.dns")], "sentry, slack"),
        ([("slack", "network.refused"), ("sentry", "network.tls"), ("splunk", "splunk.token_disabled")], "sentry, slack"),
        ([("slack", "network.connect_timeout"), ("datadog", "network.reset")], "datadog, slack"),
    ],
)  # fmt: skip
def test_several_integrations_failing_at_the_network_are_one_cause(failed: list[tuple[str, str]], names: str) -> None:
    cause = substrate_failure(failed)

    assert cause is not None
    assert cause.id == SUBSTRATE.id
    assert names in cause.saw
    assert "platform on-call" in cause.next_step


@pytest.mark.parametrize(
    "failed",
    [
        [],
        [("slack", "network.dns")],
        [("datadog", "network.dns"), ("datadog", "network.dns")],
        [("slack", "network.dns"), ("sentry", "sentry.rejected")],
        [("slack", "http.unauthorized"), ("sentry", "http.unauthorized")],
    ],
    ids=["none", "one", "two probes of one", "only one at the network", "credentials"],
)
def test_anything_else_is_not_the_networks_fault(failed: list[tuple[str, str]]) -> None:
    assert substrate_failure(failed) is None


def test_no_two_rows_that_hold_for_every_vendor_share_an_id() -> None:
    ids = [
        *NETWORK,
        *(row.id for row in FALLBACK[Effect.READS]),
        SUBSTRATE.id,
        DELIVERED_UNSEEN.id,
        NOT_DELIVERED.id,
    ]

    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("row", list(chain(*FALLBACK.values())), ids=lambda row: f"{row.id} {row.kind.name}")
def test_every_row_says_what_was_seen_what_it_means_and_what_to_do(row: Signature) -> None:
    error = raised_from(row, next(iter(INTEGRATIONS)), "send", min(row.statuses))

    assert all((error.happened, error.means, error.next_step))
    assert "{" not in str(error)
