"""A proxy on the way: its login is given to it and to nobody else, and what it refuses is its own failure."""

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from domain.errors import Unavailable
from domain.exchanges import Effect
from vendors.hosts import HostRule
from vendors.http import Call, Conduct, Wire

_REFUSAL = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"
_PASSWORD = "p@ss/word"


@contextmanager
def refusing_proxy(heard: list[str]) -> Iterator[int]:
    """Give the port of a proxy that notes what it is asked and lets nobody through."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                heard.append(connection.recv(65536).decode())
                connection.sendall(_REFUSAL)

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listening.getsockname()[1])
        thread.join()


def ask_through(proxy: str) -> None:
    conduct = Conduct(HostRule(rehearsal=False), lambda _: None, proxy=proxy)
    wire = Wire("slack", conduct, signatures=(), published_hosts=("slack.com",))
    try:
        wire.exchange(
            Call("read", Effect.READS, "GET", "https://slack.com/api/api.test", {"authorization": "Bearer mine"})
        )
    finally:
        wire.close()


def test_the_login_in_the_proxys_address_is_given_to_the_proxy_and_not_shown() -> None:
    heard: list[str] = []

    with refusing_proxy(heard) as port, pytest.raises(Unavailable) as caught:
        ask_through(f"http://ops:p%40ss%2Fword@127.0.0.1:{port}")

    login = base64.b64encode(f"ops:{_PASSWORD}".encode()).decode()
    assert f"proxy-authorization: basic {login}".lower() in heard[0].lower()
    assert caught.value.symptom == "network.proxy"
    assert not [word for word in (_PASSWORD, "p%40ss", login) if word in str(caught.value)]


def test_the_proxy_sees_no_credential_of_the_vendor() -> None:
    heard: list[str] = []

    with refusing_proxy(heard) as port, pytest.raises(Unavailable):
        ask_through(f"http://127.0.0.1:{port}")

    assert heard[0].startswith("CONNECT slack.com:443 ")
    assert "mine" not in heard[0]
