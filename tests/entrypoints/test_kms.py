"""`opsflows kms`: where everything stands, and what people decide, each decision an audited run; refusals in three sentences."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from domain.kms_checks import Checked, faulty, not_run, passed
from domain.kms_goldens import MINTED, WRAPPED, NewGolden
from domain.kms_history import Judged
from domain.kms_names import shown_version
from domain.names import KMS_SMOKE
from ledger.auditing import verify_audit
from ledger.kms_checks import record_check
from ledger.kms_goldens import goldens, keep_golden
from ledger.kms_judgements import judgements
from ledger.opening import Ledger, open_ledger
from ledger.runs import runs
from steps.kms_canary import WITHOUT_ANOTHER_KEY
from tests.entrypoints.conftest import Cli, Said
from tests.program import Beside, Standing

CONFIG = """
[environments.prod]
kind = "prod"
in_scope = ["slack"]

[kms.pay]
environment = "prod"
base_url = "https://pay.example.org"

[kms.pay.keys.main]
provider = "aws"
key = "alias/pay"

[kms.mail]
environment = "prod"
base_url = "https://mail.example.org"
"""
KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
MATERIAL = "9f" * 32
SHOWN = shown_version(MATERIAL)
# Two wrapped keys whose digests begin alike.
OLD, LIVE = "12345678" + "0" * 56, "12345678f" + "0" * 55


@pytest.fixture
def ledger(opsflows: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """The ledger of the home that the commands work in, with a configuration of two services beside it."""
    config = tmp_path / "opsflows.toml"
    config.write_text(CONFIG)
    monkeypatch.setenv("OPSFLOWS_CONFIG", str(config))
    opened = open_ledger(f"sqlite:///{tmp_path / 'home' / 'ledger.db'}")
    yield opened
    opened.close()


def down(ledger: Ledger) -> None:
    lost = faulty("golden/main", "kms.golden_lost", "destroyed", "1")
    record_check(ledger, "run", Checked("prod", "pay", (passed("health", "it says KMS and ready"), lost)))


def kept(ledger: Ledger, version: str = MATERIAL, slot: str = "") -> None:
    source = WRAPPED if slot else MINTED
    new = NewGolden(KEY, "" if slot else version, source, b"sealed", "ab" * 32, {}, slot)
    assert keep_golden(ledger, "run", "prod", "pay", "main", new)


def retire(opsflows: Cli, *which: str) -> Said:
    return opsflows("kms", "retire-golden", "pay", "main", *which, "--environment", "prod", "--by", "ada", "--reason", "re-encrypted")  # fmt: skip


def refused(said: Said) -> str:
    """The first of the three sentences with which nothing was done."""
    assert (said.code, len(said.sentences), said.out) == (2, 3, "")
    return said.sentences[0]


def test_status_shows_where_parts_stand_and_the_numbers_of_spells(opsflows: Cli, ledger: Ledger) -> None:
    down(ledger)

    said = opsflows("kms", "status")

    lines = said.out.splitlines()
    assert said.code == 0
    assert any("pay" in line and "health" in line and "UP" in line for line in lines)
    assert any(
        "golden/main" in line and "DOWN" in line and "does not open any more: destroyed." in line for line in lines
    )
    assert any(line.startswith("1 ") and "still DOWN" in line and "not judged" in line for line in lines)
    assert "prod mail: never checked." in lines


def test_status_names_what_of_a_part_is_never_checked(opsflows: Cli, ledger: Ledger) -> None:
    for part in (passed("negative/main"), not_run("negative/main", f"done within the last day; {WITHOUT_ANOTHER_KEY}")):
        record_check(ledger, "run", Checked("prod", "pay", (part,)))

    said = opsflows("kms", "status")

    [line] = [line for line in said.out.splitlines() if "negative/main" in line]
    assert "that another key does not open it is not checked" in line


def test_status_for_machines_is_one_document(opsflows: Cli, ledger: Ledger) -> None:
    down(ledger)

    found = json.loads(opsflows("kms", "status", "--json", "--environment", "prod").out)

    assert [(one["part"], one["standing"], one["fault"]) for one in found["parts"]] == [
        ("health", "UP", ""),
        ("golden/main", "DOWN", "kms.golden_lost"),
    ]
    assert found["never_checked"] == [{"environment": "prod", "target": "mail"}]
    assert [(one["spell"], one["ended_at"], one["judged"]) for one in found["spells"]] == [(1, None, None)]


def test_goldens_are_listed_without_a_key_id_or_a_ciphertext(opsflows: Cli, ledger: Ledger) -> None:
    kept(ledger)
    kept(ledger, slot=LIVE)

    said = opsflows("kms", "goldens")

    assert said.code == 0
    assert {"main", "minted", "wrapped", SHOWN, LIVE[:12]} <= set(said.out.split())
    assert not [secret for secret in (MATERIAL, KEY, "sealed", "c2VhbGVk", "ab" * 32) if secret in said.out]


@pytest.mark.parametrize("version", [MATERIAL, SHOWN], ids=["as it is kept", "as it is shown"])
def test_a_golden_is_retired_as_a_run_that_says_who_and_why(
    opsflows: Cli, ledger: Ledger, tmp_path: Path, version: str
) -> None:
    kept(ledger)

    said = retire(opsflows, version)

    [run] = runs(ledger)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("1 golden ciphertext of version ")
    assert "may let the version be destroyed" in said.out
    assert goldens(ledger) == []
    assert (run.flow, run.actor, run.reason, run.verdict) == ("retire-golden", "ada", "re-encrypted", "GREEN")
    assert verify_audit(ledger, tmp_path / "home").breaks == ()


def test_goldens_of_a_key_that_is_not_declared_any_more_are_marked(
    opsflows: Cli, ledger: Ledger, tmp_path: Path
) -> None:
    kept(ledger)
    before = opsflows("kms", "goldens")
    config = tmp_path / "opsflows.toml"
    config.write_text(config.read_text().replace("[kms.pay.keys.main]", "[kms.pay.keys.renamed]"))

    after = opsflows("kms", "goldens")

    assert "not declared" not in before.out
    assert "not tried yet; not declared" in after.out


def used(ledger: Ledger, primary: str, *, encrypts: str = "") -> None:
    """Let a check see which version is primary, and which one encrypted."""
    seen = {"versions/main": {"primary": primary}, "canary/main": {"version": encrypts or primary}}
    record_check(ledger, "run", Checked("prod", "pay", tuple(passed(name, **facts) for name, facts in seen.items())))


@pytest.mark.parametrize(("primary", "encrypts"), [(SHOWN, SHOWN), ("4" * 12, SHOWN), (SHOWN, "4" * 12)])
def test_the_version_in_use_is_not_retired_since_the_next_check_would_keep_it_again(
    opsflows: Cli, ledger: Ledger, primary: str, encrypts: str
) -> None:
    kept(ledger)
    used(ledger, primary, encrypts=encrypts)
    # It could tell nothing of the key.
    record_check(ledger, "run", Checked("prod", "pay", (faulty("versions/main", "kms.unreachable", "no answer"),)))

    said = retire(opsflows, SHOWN)

    assert refused(said).startswith(f"Version {SHOWN} of main in pay (prod) is in use, as the check of ")
    assert "opsflows kms check pay --environment prod" in said.sentences[2]
    assert len(goldens(ledger)) == 1


def test_a_version_is_retired_once_a_check_has_seen_another_in_use(opsflows: Cli, ledger: Ledger) -> None:
    kept(ledger)
    used(ledger, SHOWN)
    used(ledger, "4" * 12)

    said = retire(opsflows, SHOWN)

    assert (said.code, goldens(ledger)) == (0, [])


def test_a_wrapped_key_is_retired_whatever_version_is_in_use(opsflows: Cli, ledger: Ledger) -> None:
    kept(ledger, slot=OLD)
    used(ledger, SHOWN)

    said = retire(opsflows, "--file", OLD)

    assert (said.code, goldens(ledger)) == (0, [])


def test_of_a_key_that_is_not_declared_any_more_every_version_is_retired(
    opsflows: Cli, ledger: Ledger, tmp_path: Path
) -> None:
    kept(ledger)
    used(ledger, SHOWN)
    config = tmp_path / "opsflows.toml"
    config.write_text(config.read_text().replace("[kms.pay.keys.main]", "[kms.pay.keys.renamed]"))

    said = retire(opsflows, SHOWN)

    assert (said.code, goldens(ledger)) == (0, [])


@pytest.mark.parametrize("digits", [OLD, OLD[:12], OLD[:9]], ids=["whole", "as it is shown", "as few as tell it"])
def test_one_wrapped_key_is_retired_by_its_digits_and_the_other_stays(
    opsflows: Cli, ledger: Ledger, digits: str
) -> None:
    for slot in (OLD, LIVE):
        kept(ledger, slot=slot)

    said = retire(opsflows, "--file", digits)

    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("The wrapped key 123456780000 of main in pay (prod) retired by ada: re-encrypted.")
    assert [one.slot for one in goldens(ledger)] == [LIVE]


@pytest.mark.parametrize("digits", [OLD[:8], OLD[:7], "ab" * 6], ids=["of both", "too few", "of none"])
def test_digits_that_do_not_name_one_wrapped_key_are_refused_with_a_list(
    opsflows: Cli, ledger: Ledger, digits: str
) -> None:
    for slot in (OLD, LIVE):
        kept(ledger, slot=slot)

    said = retire(opsflows, "--file", digits)

    assert refused(said) == f"{digits} does not name one wrapped key."
    assert "In force there are: 123456780000, 12345678f000." in said.sentences[1]
    assert len(goldens(ledger)) == 2


@pytest.mark.parametrize("which", [(), ("",), (SHOWN, "--file", OLD)], ids=["nothing", "an empty version", "both"])
def test_a_version_or_a_file_is_named_and_an_empty_word_is_neither(
    opsflows: Cli, ledger: Ledger, which: tuple[str, ...]
) -> None:
    kept(ledger)
    for slot in (OLD, LIVE):
        kept(ledger, slot=slot)

    said = retire(opsflows, *which)

    assert refused(said) == "A version or a wrapped key's file has to be named, and not both."
    assert "--file SHA" in said.sentences[2]
    assert len(goldens(ledger)) == 3


def test_what_has_no_golden_is_not_retired_and_the_try_is_kept(opsflows: Cli, ledger: Ledger) -> None:
    said = opsflows("kms", "retire-golden", "pay", "main", "7", "--environment", "prod", "--by", "ada", "--reason", "no use")  # fmt: skip

    assert refused(said) == "Version 7 of main in pay (prod) has no golden ciphertext."
    assert [run.verdict for run in runs(ledger)] == ["BAD INPUT"]


def test_a_spell_is_judged_and_the_last_word_stands(opsflows: Cli, ledger: Ledger) -> None:
    down(ledger)

    first = opsflows("kms", "judge", "1", "false-alarm", "--by", "ada", "--note", "a drill")
    second = opsflows("kms", "judge", "1", "real", "--by", "bob")

    assert (first.code, second.code) == (0, 0)
    assert "was false alarm, says ada: a drill." in first.out
    assert (judgements(ledger)[1].judged, judgements(ledger)[1].who) == (Judged.REAL, "bob")
    assert {(run.flow, run.environment) for run in runs(ledger)} == {("judge-spell", "prod")}


def test_a_note_of_several_lines_stays_in_its_line_of_the_table(opsflows: Cli, ledger: Ledger) -> None:
    down(ledger)
    opsflows("kms", "judge", "1", "real", "--by", "ada", "--note", "the binding\nwas\r\n  removed")

    said = opsflows("kms", "status")

    assert said.out.splitlines()[-1].endswith("real, by ada: the binding was removed")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("judge", "9", "real"), "There is no spell 9."),
        (("check", "moon"), "moon is no [kms.<target>] of opsflows.toml."),
        (("check", "--environment", "moon"), "'moon' is not an environment."),
        (("status", "--environment", "moon"), "'moon' is not an environment."),
        (("retire-golden", "pay", "main", "1", "--environment", "prod", "--reason", " "), "No reason was given."),
    ],
)
def test_what_cannot_be_is_refused(opsflows: Cli, ledger: Ledger, arguments: tuple[str, ...], sentence: str) -> None:
    assert refused(opsflows("kms", *arguments)) == sentence


def test_a_check_needs_a_running_server(opsflows: Cli, ledger: Ledger) -> None:
    said = opsflows("kms", "check", "pay")

    assert (said.code, said.out) == (2, "")
    assert "Prefect" in said.err


def test_the_rehearsals_service_is_checked_and_a_failure_is_asked_again_by_a_run_of_its_own(
    standing: Standing, beside: Beside
) -> None:
    green = beside.run("kms", "check", "--environment", "rehearsal")
    _let_page_answer(standing, 503)
    once = beside.run("kms", "check", "sample", "--environment", "rehearsal", "--by", "ada")
    coming = [run for run in standing.runs_of(KMS_SMOKE, "SCHEDULED") if "asked again" in run["name"]]
    _let_page_answer(standing, 200)
    status = beside.run("kms", "status", "--environment", "rehearsal", "--json")

    assert (green.code, once.code, status.code) == (0, 0, 0), green.err + once.err + status.err
    assert green.out.splitlines()[0] == "# GREEN (rehearsal): KMS of sample (rehearsal)"
    assert green.out.splitlines()[-1] == "GREEN (rehearsal)"
    assert once.out.splitlines()[-1] == "WAITING (rehearsal)"
    assert "The health endpoint answered with status 503." in once.out
    assert [(run["name"], run["parameters"]["targets"], run["parameters"]["environment"]) for run in coming] == [
        ("kms smoke sample (asked again)", ["sample"], "rehearsal")
    ]
    assert {one["standing"] for one in json.loads(status.out)["parts"]} == {"UP"}


def _let_page_answer(standing: Standing, status: int) -> None:
    port = json.loads((standing.home.path / "ports.json").read_text())["stand_ins"]
    url = f"http://127.0.0.1:{port}/_control/backend/actions/set_status"
    httpx.post(url, json={"status": status}, trust_env=False).raise_for_status()
