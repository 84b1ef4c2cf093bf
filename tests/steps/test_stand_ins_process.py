"""Stand-ins that remember: they come back where they were, with what they knew, and one process at a time has them."""

import fcntl
import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from steps.stand_ins_process import kept_stand_ins


def credentials(url: str) -> dict[str, dict[str, str]]:
    told: dict[str, dict[str, str]] = httpx.get(f"{url}/_control/credentials", trust_env=False).json()
    return told


def test_they_come_back_at_the_same_address_with_the_same_credentials(tmp_path: Path) -> None:
    state = tmp_path / "stand-ins.json"

    with kept_stand_ins(state) as first:
        before = credentials(first.url)
    with kept_stand_ins(state) as second:
        after = credentials(second.url)

    assert (second.url, after) == (first.url, before)


def test_they_move_where_another_program_has_their_port(tmp_path: Path) -> None:
    state = tmp_path / "stand-ins.json"
    with kept_stand_ins(state) as first:
        before = credentials(first.url)

    with socket.create_server(("127.0.0.1", urlsplit(first.url).port or 0)), kept_stand_ins(state) as second:
        after = credentials(second.url)

    assert second.url != first.url
    assert after["opsgenie"] == before["opsgenie"]


def test_a_second_process_cannot_have_them_before_the_first_lets_them_go(tmp_path: Path) -> None:
    with (
        kept_stand_ins(tmp_path / "stand-ins.json"),
        (tmp_path / "stand-ins.port").open("r+") as port,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(port, fcntl.LOCK_EX | fcntl.LOCK_NB)

    with (tmp_path / "stand-ins.port").open("r+") as port:
        fcntl.flock(port, fcntl.LOCK_EX | fcntl.LOCK_NB)
