"""Every flow and the verifier, in success and in every failure: no secret is in anything that they leave behind."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.leaks.finding import found
from tests.leaks.places import KEEPS_GENERATED, left_in
from tests.leaks.world import FAULTS, LEAKED, Kept, Place, secrets_in

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


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("leaks"))
    place.create()
    temporary = str(place.root / "tmp")
    environment = {
        "PATH": os.environ["PATH"], "HOME": temporary, "TMPDIR": temporary, "OPSFLOWS_HOME": str(place.home),
    }  # fmt: skip
    output = place.root / "out" / "driver.txt"
    with output.open("wb") as stream:
        ended = subprocess.run(
            [sys.executable, "-m", "tests.leaks.driving", str(place.root)],
            cwd=ROOT, env=environment, stdout=stream, stderr=stream, check=False, timeout=_LIMIT_S,
        )  # fmt: skip
    assert ended.returncode == 0, output.read_text(errors="replace")[-3000:]
    return place


@pytest.fixture(scope="module")
def kept(lived: Place) -> Kept:
    return lived.kept()


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
        "rotation plan": "COMPLETED Planned",
        "adopted": "7",
        "rotation apply": "FAILED Hold",
        "entered by hand": "0",
        "rotate due": "COMPLETED NothingDue",
        "ages": "COMPLETED Completed",
        "sweep with rotations": "COMPLETED Completed",
        "emergency": "COMPLETED Completed",
        "drill": "COMPLETED Waiting",
        "no such rotation": "FAILED BadInput",
        "rotation echo403": "FAILED Hold",
        "plan echo403": "COMPLETED Planned",
        **{f"steps {name}": "FAILED Hold" for name in ("echo500", "reset", "mended")},
        "emergency echo500": "FAILED Hold",
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
        "cli audit": "0",
        "a bug of ours": "FAILED Failed",
    }


def test_no_secret_is_in_anything_that_was_left_behind(lived: Place, kept: Kept) -> None:
    assert min(len(secret) for secret in kept.canaries.values()) >= _LEAST_CANARY

    leaks = {(where, name, form) for where, blob in _left(lived) for name, form in found(kept.canaries, blob)}

    assert leaks == set()


def test_a_value_that_is_leaked_on_purpose_is_found_in_every_place(lived: Place) -> None:
    places = {where for where, blob in _left(lived) if found({"leaked": LEAKED}, blob)}

    assert [place for place in _LEAKS if not any(place in where for where in places)] == []


def test_the_file_that_an_application_reads_is_private_and_no_draft_is_left_beside_it(lived: Place, kept: Kept) -> None:
    served = {name for name, _ in found(kept.canaries, lived.sink.read_bytes())}

    assert lived.sink.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in lived.sink.parent.iterdir() if "draft" in file.name] == []
    assert any(name.startswith("datadog-default-staging-send--") for name in served)


def test_the_memory_of_the_drills_stand_ins_is_private(lived: Place) -> None:
    (memory,) = (lived.home / name for name in KEEPS_GENERATED)

    assert memory.stat().st_mode & 0o777 == 0o600


def test_no_vendor_is_sent_the_secret_of_another(kept: Kept) -> None:
    leaks = {
        (vendor, name)
        for vendor, asked in kept.asked.items()
        for other, values in kept.given.items()
        if other != vendor
        for name, _ in found(secrets_in(values), asked.encode())
    }

    assert leaks == set()


def _left(place: Place) -> Iterator[tuple[str, bytes]]:
    for folder in place.left:
        yield from ((where, blob) for where, blob in left_in(folder) if folder / where != place.sink)
