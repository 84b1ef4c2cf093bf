"""Values as blocks on a real Prefect server: written once, read back, projected; and a server that is away."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from blocks.connection import prefect_client
from blocks.store import load_values, save_values
from blocks.versions import BlockStore
from domain.errors import OpsError, OutcomeUnknown, Rejected, Unavailable
from domain.names import Credential, Target
from domain.values import TAKEN, StoredValue
from steps.side_by_side import side_by_side
from vendors.registry import EVERY, INTEGRATIONS, ROTATIONS

CREDENTIAL = Credential.parse("datadog-default-staging-send")
READ = Credential.parse("datadog-default-staging-read")
NAME = f"{CREDENTIAL}--r00000000001-1"
SECRET = "5ecre7ab5ecre7ab5ecre7ab5ecre7ab"
STORED = StoredValue(SECRET, "key-1", "opsflows-r00000000001-1")
DATADOG = {
    "DD_API_KEY": "00112233445566778899aabbccddeeff",
    "DD_APP_KEY": "0011223344556677889900112233445566778899",
    "DD_MANAGE_APP_KEY": "9911223344556677889900112233445566778899",
    "DD_SITE": "datadoghq.eu",
}
SLACK = {"SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T00000001/B00000001/abcdefghijklmnop"}


def store_of(client: SyncPrefectClient, credential: Credential = CREDENTIAL) -> BlockStore:
    name = credential.target.integration
    return BlockStore(client, INTEGRATIONS[name], ROTATIONS[name, credential.purpose], credential)


@pytest.fixture
def store(prefect: None) -> Iterator[BlockStore]:
    """The store of one credential, on a server that holds no block yet."""
    with prefect_client() as client:
        for document in client.read_block_documents(limit=200):
            client.delete_block_document(document.id)
        yield store_of(client)


def values_of(name: str) -> dict[str, str]:
    return load_values(INTEGRATIONS[name], Target(name), "staging") or {}


def test_a_kept_value_is_read_as_it_was(store: BlockStore) -> None:
    store.keep(NAME, STORED)

    assert store.read(NAME) == STORED
    assert store.read(f"{CREDENTIAL}--r00000000001-2") is None


def test_a_second_value_of_a_name_is_refused_and_the_first_one_stays(store: BlockStore) -> None:
    store.keep(NAME, STORED)

    with pytest.raises(Rejected) as refusal:
        store.keep(NAME, StoredValue(SECRET[::-1], "key-2"))

    assert refusal.value.symptom == TAKEN
    assert SECRET[::-1] not in str(refusal.value)
    assert store.read(NAME) == STORED


def test_many_threads_write_at_once_through_one_connection_and_none_is_turned_away(store: BlockStore) -> None:
    names = [f"{CREDENTIAL}--r00000000002-{number}" for number in range(16)]

    side_by_side(lambda name: store.keep(name, STORED), names, 8)

    assert set(store.names(CREDENTIAL)) == set(names)


def test_of_two_workers_that_write_one_name_at_once_one_wins_and_the_other_is_told(store: BlockStore) -> None:
    together = threading.Barrier(2)
    values = ("value-of-the-first", "value-of-the-second")

    def write(value: str) -> str:
        with prefect_client() as client:
            late = store_of(client)
            together.wait()
            try:
                late.keep(NAME, StoredValue(value))
            except Rejected as refusal:
                return refusal.symptom
        return value

    with ThreadPoolExecutor(2) as threads:
        told = list(threads.map(write, values))

    (won,) = [one for one in told if one in values]
    assert sorted(told) == sorted([won, TAKEN])
    kept = store.read(NAME)
    assert kept is not None
    assert kept.value == won


def test_a_dropped_document_is_gone_and_dropping_it_again_is_nothing(store: BlockStore) -> None:
    store.keep(NAME, STORED)

    store.drop(NAME)
    store.drop(NAME)

    assert store.read(NAME) is None


def test_a_dropped_name_may_be_written_anew(store: BlockStore) -> None:
    store.keep(NAME, STORED)
    store.drop(NAME)

    store.keep(NAME, StoredValue("anew"))

    kept = store.read(NAME)
    assert kept is not None
    assert kept.value == "anew"


def test_names_are_those_of_this_credential_alone(store: BlockStore) -> None:
    of_another = f"{READ}--r00000000001-1"
    # A name that begins alike is another credential's.
    begins_alike = f"{CREDENTIAL}-r00000000001-1"
    for name in (f"{CREDENTIAL}--r00000000001-2", NAME, of_another, begins_alike):
        store.keep(name, StoredValue("a value"))

    assert store.names(CREDENTIAL) == [NAME, f"{CREDENTIAL}--r00000000001-2"]


def test_a_projection_leaves_every_other_field_and_block_as_it_was(store: BlockStore) -> None:
    save_values(INTEGRATIONS["datadog"], Target("datadog"), "staging", DATADOG)

    store.project(CREDENTIAL, SECRET)

    assert store_of(store.client, READ).target_values() == {**DATADOG, "DD_API_KEY": SECRET}
    assert store.projected(CREDENTIAL) == SECRET


def test_a_projection_makes_the_block_that_is_not_there(store: BlockStore) -> None:
    before = store.projected(CREDENTIAL)

    store.project(CREDENTIAL, SECRET)

    assert (before, store.projected(CREDENTIAL)) == ("", SECRET)
    assert values_of("datadog")["DD_API_KEY"] == SECRET


def test_a_projected_block_is_one_that_people_and_flows_can_load(store: BlockStore) -> None:
    save_values(INTEGRATIONS["slack"], Target("slack"), "staging", SLACK)
    webhook = "https://hooks.slack.com/services/T00000001/B00000002/qrstuvwxyzabcdef"

    store_of(store.client, Credential.parse("slack-default-staging-send")).project(
        Credential.parse("slack-default-staging-send"), webhook
    )

    assert values_of("slack") == {"SLACK_WEBHOOK_URL": webhook}


def test_the_values_of_a_whole_target_take_one_request_and_follow_a_projection(store: BlockStore) -> None:
    save_values(INTEGRATIONS["datadog"], Target("datadog"), "staging", DATADOG)
    asked: list[str] = []
    store.client._client.event_hooks["request"].append(lambda request: asked.append(str(request.url.path)))

    first = dict(store.target_values())
    again = dict(store.target_values())
    requests = len(asked)
    store.project(CREDENTIAL, SECRET)
    after = dict(store.target_values())

    assert (first, again, requests) == (DATADOG, DATADOG, 1)
    assert after == {**DATADOG, "DD_API_KEY": SECRET}


def test_no_value_is_shown_by_the_store_itself(store: BlockStore) -> None:
    save_values(INTEGRATIONS["datadog"], Target("datadog"), "staging", DATADOG)

    store.target_values()

    assert not [name for name, value in DATADOG.items() if name != "DD_SITE" and value in repr(store)]


@contextmanager
def _nobody() -> Iterator[str]:
    """Give the address of an API where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    yield f"http://127.0.0.1:{port}/api"


@contextmanager
def _one_that_hangs_up() -> Iterator[str]:
    """Give the address of an API that takes a request and resets the connection, as a server does that is killed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_hang_up, args=(listener,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        # Closing a listener does not wake who waits at it; a last visitor does.
        listener.settimeout(0)
        with socket.create_connection(listener.getsockname()):
            pass
        thread.join()


def _hang_up(listener: socket.socket) -> None:
    while listener.gettimeout() is None:
        connection, _ = listener.accept()
        with connection:
            if listener.gettimeout() is None:
                connection.recv(65536)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


ACTS: dict[str, Callable[[BlockStore], object]] = {
    "keep": lambda store: store.keep(NAME, STORED),
    "read": lambda store: store.read(NAME),
    "drop": lambda store: store.drop(NAME),
    "names": lambda store: store.names(CREDENTIAL),
    "project": lambda store: store.project(CREDENTIAL, SECRET),
    "projected": lambda store: store.projected(CREDENTIAL),
    "target_values": lambda store: store.target_values(),
}


def test_a_server_that_is_not_there_is_told_so_whatever_is_asked_of_it(prefect: None) -> None:
    with _nobody() as away, temporary_settings({PREFECT_API_URL: away}), get_client(sync_client=True) as client:
        told = [_error_of(act, store_of(client)) for act in ACTS.values()]

    assert {type(error) for error in told} == {Unavailable}
    for error in told:
        _check_told(error)


@pytest.mark.parametrize("act", ["read", "keep", "project"])
def test_a_server_that_goes_away_within_a_request_that_changes_nothing_is_unavailable(prefect: None, act: str) -> None:
    """keep registers its type first, project looks what is there: nothing was written."""
    with (
        _one_that_hangs_up() as away,
        temporary_settings({PREFECT_API_URL: away, PREFECT_CLIENT_MAX_RETRIES: 0}),
        get_client(sync_client=True) as client,
    ):
        told = _error_of(ACTS[act], store_of(client))

    assert type(told) is Unavailable
    _check_told(told)


def test_a_write_that_got_no_answer_is_an_unknown_outcome_and_what_was_written_is_found(store: BlockStore) -> None:
    # The type is registered now, so that the lost answer is that to the value itself.
    store.keep(f"{CREDENTIAL}--r00000000001-9", StoredValue("before"))
    lost = store.client._client.event_hooks["response"]

    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
        lost.append(_lose)
        told = _error_of(ACTS["keep"], store)
        lost.clear()

    assert type(told) is OutcomeUnknown
    _check_told(told)
    assert store.read(NAME) == STORED


def _lose(response: httpx.Response) -> None:
    raise httpx.RemoteProtocolError("Server disconnected without sending a response.")


def _error_of(act: Callable[[BlockStore], object], store: BlockStore) -> OpsError:
    with pytest.raises(OpsError) as told:
        act(store)
    return told.value


def _check_told(error: OpsError) -> None:
    assert error.symptom == "prefect.away"
    assert all((error.happened, error.means, error.next_step))
    chain = [error, error.__cause__, error.__context__]
    assert not [one for one in chain if one is not None and SECRET in f"{one!r} {one}"]


def test_a_key_that_a_person_put_there_in_one_line_is_read_as_applications_want_it(store: BlockStore) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    credential = Credential.parse("github-default-staging-send")
    one_line = " ".join(pem.split("\n")).strip()
    kept = BlockStore(store.client, EVERY["github"], ROTATIONS["github", credential.purpose], credential)

    kept.project(credential, one_line)

    assert load_pem_private_key(kept.projected(credential).encode(), None)
    assert kept.projected(credential).strip() == pem.strip()
