"""What a run of checks says first: why nobody finished looking at a target, once for all that broke off for one reason."""

from domain.errors import Unavailable
from tasks.kms import Looked, environment_headline

AWAY = Unavailable("The database 'ledger' does not answer.", "Nothing was written.", "See that it runs.", "ledger.unreachable")  # fmt: skip


def test_a_database_that_is_away_is_named_once_for_all_targets() -> None:
    looked = Looked()
    looked.broke_off = {"gateway": str(AWAY), "ledger": str(AWAY)}

    said = environment_headline(looked, ["gateway", "ledger"])

    assert said.startswith("gateway, ledger: the check broke off. The database 'ledger' does not answer.")
    assert said.count("does not answer") == 1


def test_a_target_that_broke_off_by_a_fault_points_to_its_log() -> None:
    assert environment_headline(Looked(), ["gateway"]) == "gateway: the check broke off. The log of its task says why."
