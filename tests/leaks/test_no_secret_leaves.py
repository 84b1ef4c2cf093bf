"""Every flow and the verifier, in success and in every failure: no secret is in anything that they leave behind or start."""

import base64
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from mocks.tls import ThrowAwayAuthority
from tests.leaks.canaries import secrets_in
from tests.leaks.finding import found
from tests.leaks.places import KEEPS_GENERATED, left_in
from tests.leaks.sinks import HANDED_TO, PLACES, has_kubectl
from tests.leaks.watching import Seen, watched_processes
from tests.leaks.world import FAULTS, LEAKED, LIVE, Kept, Place
from tests.program import needs_proc, program

# Every flow, command and failure in turn takes minutes: a sweep, which make prove and each change's .ci/run make.
pytestmark = pytest.mark.prove

ROOT = Path(__file__).parents[2]
_LIMIT_S = 900
_LEAST_CANARY = 12
# What the flow that leaks on purpose reaches; found there, a clean search means something.
_LEAKS = (
    "driver.txt",
    "leak.md",
    "ledger.db notes.text",
    "prefect.db log.message",
    "prefect.db flow_run.parameters",
    "prefect.db flow_run_state.message",
    "prefect.db artifact.data",
    "prefect.db events.payload",
    "prefect.db variable.value",
    "prefect/storage/",
)
# With the places that serve each; none in the cluster where there is no kubectl.
_CLUSTER, _LIVE_CLUSTER = (" cluster", " live_cluster") if has_kubectl() else ("", "")
_PUBLISHED = (
    "awskey-default-staging-send actions",
    "awssecret-default-staging-send vendor",
    "datadog-default-staging-send app_env",
    f"gcpkey-default-staging-send{_CLUSTER}",
    "gcpkms-default-staging-send vendor",
    "gcpsecret-default-staging-send vendor",
    "github-default-staging-send",
    "oidc-default-staging-send vendor",
)
_PUBLISHED_LIVE = (
    f"github-default-{LIVE}-receive hook_env vendor",
    f"opsgenie-default-{LIVE}-send live_actions{_LIVE_CLUSTER} live_manager live_vault",
)
# What a process is told by its environment, because there is no other way or because an operator chose this one.
_TOLD_BY_ENVIRONMENT: Mapping[str, str] = {
    "PREFECT_API_AUTH_STRING": "the login of the Prefect API, as Prefect's client takes it",
    "PREFECT_SERVER_API_AUTH_STRING": "the same, as Prefect's server takes it",
    "PREFECT_SERVER_ENCRYPTION_KEY": "as Prefect's server takes it",
    "OPSFLOWS_DATABASE_URL": "this test gives it a password, as an operator may",
    "HTTPS_PROXY": "this test gives it a password, as an operator may",
}
_KUBECTL_CALLS = (("apply", "--server-side"), ("rollout", "restart"), ("rollout", "status"))
_KUBECTL_IS_TOLD = {"PATH", "HOME"}


@dataclass(frozen=True, slots=True)
class Lived:
    """Where it was lived, and what was seen of every process meanwhile."""

    place: Place
    seen: Seen


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    place = Place(tmp_path_factory.mktemp("leaks"))
    place.create()
    temporary = str(place.root / "tmp")
    environment = {
        "PATH": os.environ["PATH"], "HOME": temporary, "TMPDIR": temporary, "OPSFLOWS_HOME": str(place.home),
        # One version from beginning to end, also where somebody edits the checkout meanwhile: a rehearsal proves one version.
        "OPSFLOWS_VERSION": "leak-test",
        # Prefect's clients read it anew for every connection: the machine's authorities would cost 40 ms each time.
        "PREFECT_API_SSL_CERT_FILE": str(ThrowAwayAuthority().write_ca(place.root / "ca.pem")),
    }  # fmt: skip
    output = place.root / "out" / "driver.txt"
    with output.open("wb") as stream, watched_processes() as seen:
        ended = subprocess.run(
            [sys.executable, "-m", "tests.leaks.driving", str(place.root)],
            cwd=ROOT, env=environment, stdout=stream, stderr=stream, check=False, timeout=_LIMIT_S,
        )  # fmt: skip
    assert ended.returncode == 0, output.read_text(errors="replace")[-3000:]
    return Lived(place, seen)


@pytest.fixture(scope="module")
def place(lived: Lived) -> Place:
    return lived.place


@pytest.fixture(scope="module")
def kept(place: Place) -> Kept:
    return place.kept()


def test_every_part_was_lived_through_and_ended_as_it_should(kept: Kept) -> None:
    failures = {f"due {fault.name}": "FAILED Hold" for fault in FAULTS}

    assert kept.outcomes == {
        "plan": "COMPLETED Planned",
        "blocks after the plan": "none",
        "rehearsal": "COMPLETED Completed",
        "real": "FAILED Hold",
        "answer 1": "COMPLETED Completed",
        "no such question": "FAILED BadInput",
        "no such environment": "FAILED BadInput",
        **failures,
        "real echo401": "FAILED Hold",
        "real reset": "FAILED Hold",
        "sweep echo401": "FAILED Hold",
        "sweep reset": "FAILED Hold",
        "sweep": "COMPLETED Completed",
        "reconcile plan": "COMPLETED Planned",
        "reconcile": "FAILED Hold",
        "yesterday": "FAILED Hold",
        "collect": "FAILED Hold",
        "waive": "COMPLETED Completed",
        "kms": "COMPLETED Completed",
        "kms review": "FAILED Hold",
        "kms echo200": "COMPLETED Waiting",
        "kms echo500": "FAILED Hold",
        "reconcile echo200": "FAILED Hold",
        "reconcile echo401": "FAILED Hold",
        "collect echo403": "FAILED Hold",
        "yesterday echo404": "FAILED Hold",
        "rotation plan": "COMPLETED Planned",
        "adopted": "13",
        "rotation apply": "FAILED AwaitingHumanCreate",
        "entered by hand": "0",
        "webhook": "COMPLETED Waiting",
        "published": ", ".join(_PUBLISHED),
        "rotate due plan": "COMPLETED Planned",
        "rotate due": "COMPLETED Waiting",
        "ages": "COMPLETED Completed",
        "sweep with rotations": "COMPLETED Completed",
        "emergency plan": "COMPLETED Planned",
        "emergency": "COMPLETED Completed",
        "drill": "COMPLETED Waiting",
        "no such rotation": "FAILED BadInput",
        "rotation echo403": "FAILED Backoff",
        "plan echo403": "COMPLETED Planned",
        "steps echo500": "FAILED Backoff",
        "steps reset": "FAILED Backoff",
        "steps mended": "FAILED AwaitingAdoption",
        "emergency echo500": "FAILED Hold",
        "steps with places failing": ", ".join(["FAILED Backoff"] * (1 + len(PLACES))),
        f"published {LIVE}": ", ".join(_PUBLISHED_LIVE),
        "cli rotations": "0",
        "cli rotate": "0",
        "cli adopt": "1",
        "cli freeze": "0",
        "cli mock": "0",
        "cli malformed": "2",
        "cli import malformed": "2",
        "cli import": "0",
        "cli far": "1",
        "cli broken proxy": "2",
        "cli lost ledger": "1",
        "cli reconcile": "1",
        "cli waive": "0",
        "cli waivers": "0",
        "cli investigate": "0",
        "cli sign-off": "0",
        "cli kms check": "1",
        "cli kms check again": "0",
        "cli kms status": "0",
        "cli kms goldens": "0",
        "cli kms judge": "0",
        "cli kms retire-golden": "0",
        "cli kms-smoke": "0",
        "cli metrics": "0",
        "cli sample-events": "0",
        "cli audit": "0",
        "a bug of ours": "FAILED Failed",
    }


def test_no_secret_is_in_anything_that_was_left_behind(place: Place, kept: Kept) -> None:
    assert min(len(secret) for secret in kept.canaries.values()) >= _LEAST_CANARY

    leaks = {(where, name, form) for where, blob in _left(place) for name, form in found(kept.canaries, blob)}

    assert leaks == set()


def test_what_is_encrypted_to_see_it_decrypted_is_kept_nowhere(place: Place, kept: Kept) -> None:
    needles = {
        name: (base64.b64decode(text), text.encode(), base64.b64decode(text).hex().encode())
        for name, text in kept.moments.items()
    }

    leaks = {
        (where, name)
        for where, blob in _left(place)
        for name, forms in needles.items()
        if any(one in blob for one in forms)
    }

    assert {name.split()[2] for name in needles} == {"golden", "canary"}
    assert leaks == set()


def test_a_value_that_is_leaked_on_purpose_is_found_in_every_place(place: Place) -> None:
    places = {where for where, blob in _left(place) if found({"leaked": LEAKED}, blob)}

    assert [place for place in _LEAKS if not any(place in where for where in places)] == []


def test_the_file_that_an_application_reads_is_private_and_no_draft_is_left_beside_it(place: Place, kept: Kept) -> None:
    served = {name for name, _ in found(kept.canaries, place.sink.read_bytes())}

    assert place.sink.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in place.sink.parent.iterdir() if "draft" in file.name] == []
    assert any(name.startswith("datadog-default-staging-send--") for name in served)


def test_the_memory_of_the_drills_stand_ins_is_private(place: Place) -> None:
    (memory,) = (place.home / name for name in KEEPS_GENERATED)

    assert memory.stat().st_mode & 0o777 == 0o600


def test_no_vendor_is_sent_the_secret_of_another(kept: Kept) -> None:
    secrets = {owner: secrets_in(values) for owner, values in kept.given.items()}
    for document, value in kept.minted.items():
        secrets[document.partition("-")[0]][document] = value

    leaks = {
        (vendor, name)
        for vendor, asked in kept.asked.items()
        for owner, values in secrets.items()
        if owner not in {vendor, *HANDED_TO.get(vendor, ())}
        for name, _ in found(values, asked.encode())
    }

    assert leaks == set()


@needs_proc
def test_no_secret_is_in_an_argument_or_in_the_environment_of_a_process(lived: Lived, kept: Kept) -> None:
    told = {
        part for one in lived.seen.glimpses for part in (one.command, one.environment_without(_TOLD_BY_ENVIRONMENT))
    }

    assert found(kept.canaries, b"\n".join(told)) == set()


@needs_proc
def test_a_value_that_is_given_to_a_process_on_purpose_is_seen(lived: Lived) -> None:
    assert lived.seen.command_with("sh", LEAKED)
    assert any(f"LEAKED={LEAKED}".encode() in one.environment for one in lived.seen.glimpses)


@needs_proc
def test_kubectl_is_told_where_programs_and_its_home_are_and_nothing_else(lived: Lived) -> None:
    program("kubectl")

    assert all(lived.seen.command_with("kubectl", *words) for words in _KUBECTL_CALLS)
    assert {name for one in lived.seen.of("kubectl") for name in one.names()} == _KUBECTL_IS_TOLD


def _left(place: Place) -> Iterator[tuple[str, bytes]]:
    for folder in place.left:
        yield from ((where, blob) for where, blob in left_in(folder) if folder / where != place.sink)
