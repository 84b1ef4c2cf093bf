"""A secret's value read back by its labels, and the ids of versions that carry our marker."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import BadInput, NotYet
from domain.names import marker
from tests.conftest import StandIns
from tests.vendors.rehearsal import connected
from tests.vendors.rotating import account_of
from vendors.aws_versions import marker_of, token_of
from vendors.awssecret import INTEGRATION, connect

NONCE = "5f0c2b9a7d3e4f1aa0b1c2d3e4f50617"
CHECK = next(variable.check for variable in INTEGRATION.variables if variable.field == "secret_value")


@settings(max_examples=20)
@given(digits=st.text("0123456789abcdef", min_size=11, max_size=11), attempt=st.integers(1, 10**9))
def test_a_versions_id_gives_the_marker_back(digits: str, attempt: int) -> None:
    token = token_of(marker(f"r{digits}", attempt))

    assert marker_of(token) == marker(f"r{digits}", attempt)
    assert 32 <= len(token) <= 64


@pytest.mark.parametrize(
    "version_id",
    ["9b0a7b0e-1c1d-4f6e-8a55-0a3c1d2e3f40", "opsflows-r1f2e3d4c5b-1", "somebody-else--0000000000000000000", "--0", ""],
)
def test_an_id_that_we_did_not_make_carries_no_marker(version_id: str) -> None:
    assert marker_of(version_id) == ""


def test_a_marker_that_does_not_fit_is_a_fault_of_ours() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        token_of("opsflows-" + "r" * 60)


def test_the_probe_finds_which_version_hands_the_value_out(stand_ins: StandIns) -> None:
    with connected(stand_ins, INTEGRATION, connect) as (client, evidence):
        (probe,) = client.probes
        receipt = probe.confirm[0](probe.send(NONCE, datetime.now(UTC)))

    labels = stand_ins.control("POST", "/awssecret/actions/show_labels", {})
    assert receipt.ids["integration_id"] == labels["AWSCURRENT"]
    assert {exchange.verb for exchange in evidence} == {"list_secret_version_ids", "get_secret_value"}
    assert account_of(stand_ins, INTEGRATION).values["secret_value"] not in repr((client, evidence, receipt))


def test_a_value_that_no_label_leads_to_is_not_seen_yet(stand_ins: StandIns) -> None:
    with connected(stand_ins, INTEGRATION, connect, AWS_SECRET_VALUE="another-value") as (client, _):
        (probe,) = client.probes
        with pytest.raises(NotYet) as caught:
            probe.confirm[0](probe.send(NONCE, datetime.now(UTC)))

    assert caught.value.symptom == "awssecret.unseen"


@pytest.mark.parametrize("value", ['{"user":"a","password":"b"}', '["one","two"]', "short", "with a blank in it"])
def test_only_one_opaque_value_can_be_rotated(value: str) -> None:
    with pytest.raises(BadInput) as caught:
        CHECK(value)

    assert value not in str(caught.value)
