"""The chain is one sequence whoever writes to it, and any single edit of it is found."""

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from domain.verdicts import Verdict, World
from ledger import chain
from ledger.chain import Checkpoint, Link
from ledger.opening import Ledger
from ledger.runs import seal_run
from ledger.schema import CHAIN
from tests.ledger.recording import opened

_ROOT = Path(__file__).parents[2]
_LEDGER_ID = "4f5c6b0e-0000-4000-8000-000000000000"
_APPEND = """
import sys
from ledger import chain
from ledger.opening import open_ledger
ledger = open_ledger(sys.argv[1])
for number in range(int(sys.argv[3])):
    with ledger.writing() as connection:
        chain.append(ledger, connection, {"kind": "test", "by": sys.argv[2], "number": number})
ledger.close()
"""


def faults_in(ledger: Ledger) -> list[chain.Fault]:
    with ledger.reading() as connection:
        links = list(chain.read(connection))
        head = chain.hold(connection)
    return list(chain.faults(links, ledger.id, head))


def test_opening_and_sealing_a_run_are_two_entries_in_one_chain(ledger: Ledger) -> None:
    first = opened(ledger, "run-1")
    second = opened(ledger, "run-2")

    sealed = seal_run(ledger, "run-1", Verdict.GREEN, World.REAL, "d" * 64)

    assert (first.opened_seq, second.opened_seq, sealed.sealed_seq) == (1, 2, 3)
    assert faults_in(ledger) == []


def test_threads_cannot_fork_the_chain(ledger: Ledger) -> None:
    start = threading.Barrier(6)
    broken: list[BaseException] = []

    def append(worker: int) -> None:
        start.wait()
        try:
            for number in range(15):
                run_id = f"run-{worker}-{number}"
                opened(ledger, run_id)
                seal_run(ledger, run_id, Verdict.GREEN, World.REAL, "")
        except BaseException as error:
            broken.append(error)
            raise

    threads = [threading.Thread(target=append, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert broken == []
    assert chain.checkpoint(ledger).seq == 6 * 15 * 2
    assert faults_in(ledger) == []


def test_processes_cannot_fork_the_chain(ledger: Ledger, url: str) -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", _APPEND, url, str(worker), "40"], cwd=_ROOT) for worker in range(3)
    ]
    ended = [process.wait() for process in started]

    assert ended == [0, 0, 0]
    assert chain.checkpoint(ledger).seq == 3 * 40
    assert faults_in(ledger) == []


def test_the_database_itself_refuses_a_second_entry_after_the_same_one(ledger: Ledger) -> None:
    opened(ledger, "run-1")
    with ledger.reading() as connection:
        (first,) = chain.read(connection)

    fork = {"seq": 2, "previous": first.previous, "hash": "f" * 64, "payload": "{}", "at": first.at}

    with pytest.raises(IntegrityError), ledger.writing() as connection:
        connection.execute(insert(CHAIN).values(**fork))


def test_an_entry_that_was_not_committed_leaves_no_gap(ledger: Ledger) -> None:
    opened(ledger, "run-1")

    def append_and_fail() -> None:
        with ledger.writing() as connection:
            chain.append(ledger, connection, {"kind": "test"})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        append_and_fail()

    assert opened(ledger, "run-2").opened_seq == 2
    assert faults_in(ledger) == []


def test_a_checkpoint_is_the_head_and_is_kept_once(ledger: Ledger) -> None:
    run = opened(ledger, "run-1")

    first, again = chain.checkpoint(ledger), chain.checkpoint(ledger)

    with ledger.reading() as connection:
        last = connection.execute(select(CHAIN.c.hash).where(CHAIN.c.seq == run.opened_seq)).scalar_one()
    assert (first.seq, first.hash) == (1, last)
    assert again == first


def chain_of(payloads: list[str]) -> list[Link]:
    links: list[Link] = []
    previous = chain.genesis(_LEDGER_ID)
    for seq, payload in enumerate(payloads, start=1):
        at = f"2026-05-04T12:00:{seq % 60:02}+00:00"
        link = Link(seq, previous, chain.link_hash(seq, previous, at, payload), payload, at)
        previous = link.hash
        links.append(link)
    return links


PAYLOADS = st.lists(st.text(max_size=20), min_size=1, max_size=8)


@given(data=st.data(), payloads=PAYLOADS)
def test_any_single_edit_of_a_chain_is_found_where_it_is(data: st.DataObject, payloads: list[str]) -> None:
    links = chain_of(payloads)
    head = Checkpoint(len(links), links[-1].hash)
    at = data.draw(st.integers(0, len(links) - 1))
    column = data.draw(st.sampled_from(["previous", "hash", "payload", "at"]))
    before: str = getattr(links[at], column)
    after = data.draw(st.text(max_size=70).filter(lambda text: text != before))
    change: dict[str, Any] = {column: after}

    found = list(chain.faults([*links[:at], replace(links[at], **change), *links[at + 1 :]], _LEDGER_ID, head))

    assert list(chain.faults(links, _LEDGER_ID, head)) == []
    assert found[0].seq == at + 1


@given(data=st.data(), payloads=PAYLOADS)
def test_an_entry_moved_to_another_number_is_found(data: st.DataObject, payloads: list[str]) -> None:
    links = chain_of(payloads)
    head = Checkpoint(len(links), links[-1].hash)
    at = data.draw(st.integers(0, len(links) - 1))
    taken = {link.seq for link in links}
    number = data.draw(st.integers(-3, 20).filter(lambda seq: seq not in taken))
    moved = sorted([*links[:at], replace(links[at], seq=number), *links[at + 1 :]], key=lambda link: link.seq)

    found = list(chain.faults(moved, _LEDGER_ID, head))

    assert found != []


@given(data=st.data(), payloads=PAYLOADS)
def test_any_deleted_entry_is_named(data: st.DataObject, payloads: list[str]) -> None:
    links = chain_of(payloads)
    head = Checkpoint(len(links), links[-1].hash)
    at = data.draw(st.integers(0, len(links) - 1))

    found = list(chain.faults([*links[:at], *links[at + 1 :]], _LEDGER_ID, head))

    assert [fault.seq for fault in found] == [at + 1]
    assert found[0].differs == f"entry {at + 1} is missing"


def test_a_chain_of_another_ledger_does_not_fit() -> None:
    links = chain_of(["one", "two"])

    found = list(chain.faults(links, "another", Checkpoint(2, links[-1].hash)))

    assert [(fault.seq, fault.differs) for fault in found] == [(1, "it is not chained to entry 0")]
