"""`opsflows up`, as `make up` runs it: it answers, there is one of it, and Ctrl-C leaves nothing behind."""

import re

import httpx

from tests.program import Standing, needs_proc
from vendors.registry import EVERY


def test_the_server_the_stand_ins_and_the_interface_answer_where_it_says(standing: Standing) -> None:
    page = httpx.get(standing.ui, trust_env=False, follow_redirects=True)
    stand_ins = re.search(r"^Stand-ins +(\S+)$", standing.output, re.MULTILINE)
    assert stand_ins
    credentials = httpx.get(f"{stand_ins[1]}/_control/credentials", trust_env=False)

    assert (page.status_code, "<title>" in page.text) == (200, True)
    assert set(credentials.json()) == {*EVERY, "kubernetes", "backend"}


def test_a_second_one_is_refused_and_changes_nothing(standing: Standing) -> None:
    ports = standing.home.path / "ports.json"
    assert standing.api
    before = ports.read_text()

    second = standing.run("up")

    assert second.code == 2
    assert "is running already" in second.err
    assert len(second.err.splitlines()) == 3
    assert ports.read_text() == before
    assert standing.ask("GET", "/health") is True


@needs_proc
def test_control_c_stops_all_of_it_within_a_minute(standing: Standing) -> None:
    assert standing.api
    assert len(standing.home.processes()) >= 4

    code = standing.stop(within_s=60)

    assert code == 0, standing.output
    assert standing.output.splitlines()[-1] == "Stopped."
    assert standing.home.processes() == []
