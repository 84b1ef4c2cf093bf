"""The searcher finds what it is meant to find: without this, a clean search would prove nothing."""

import base64
import gzip
import json
import os
import pickle
import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from tests.leaks.canaries import from_file, secret_parts
from tests.leaks.finding import found
from tests.leaks.places import left_in
from vendors.capabilities import checked_values
from vendors.registry import EVERY

SECRETS = {
    "plain letters": "b7Qm2xK9vT4rW8nZ",
    "a password": "p/w+d=\"ä\\?& %41'<x>",
    "a URL": "https://hooks.example.com/services/T0/B0/kP9wq2LmZx71",
}
_NEIGHBOURS = b'{"before": 1, "value": "'

HIDDEN: dict[str, Callable[[str], bytes]] = {
    "plain": lambda s: s.encode(),
    "url-encoded": lambda s: quote(s, safe="").encode(),
    "url-encoded path": lambda s: quote(s).encode(),
    "url-encoded form": lambda s: quote_plus(s).encode(),
    "hex": lambda s: s.encode().hex().encode(),
    "hex upper case": lambda s: s.encode().hex().upper().encode(),
    "json": lambda s: json.dumps({"key": s}).encode(),
    "json with its own letters": lambda s: json.dumps({"key": s}, ensure_ascii=False).encode(),
    "json in json": lambda s: json.dumps(json.dumps({"key": s})).encode(),
    "repr": lambda s: repr({"key": s}).encode(),
    **{f"base64 at {at}": lambda s, at=at: base64.b64encode(b"x" * at + s.encode() + b"yz") for at in range(3)},  # type: ignore[misc]
    **{f"base64url at {at}": lambda s, at=at: base64.urlsafe_b64encode(b"x" * at + s.encode()) for at in range(3)},  # type: ignore[misc]
    "gzip": lambda s: gzip.compress(s.encode()),
    "zlib": lambda s: zlib.compress(s.encode()),
    "fast zlib": lambda s: zlib.compress(s.encode(), 1),
    "gzip cut short": lambda s: gzip.compress(s.encode() + os.urandom(4000))[:2500],
    **{f"pickle {protocol}": lambda s, p=protocol: pickle.dumps([s, Exception(s)], p) for protocol in range(2, 6)},  # type: ignore[misc]
    "gzip in base64": lambda s: base64.b64encode(gzip.compress(_NEIGHBOURS + s.encode())),
    "pickle in gzip in base64 in json": lambda s: json.dumps(
        {"result": base64.b64encode(gzip.compress(pickle.dumps({"v": s}))).decode()}
    ).encode(),
    "json in zlib in gzip": lambda s: gzip.compress(b"head" + zlib.compress(json.dumps([s]).encode()) + b"tail"),
}  # fmt: skip


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("form", HIDDEN)
def test_a_secret_is_found_in_every_form(form: str, secret: str) -> None:
    blob = os.urandom(300) + HIDDEN[form](SECRETS[secret]) + os.urandom(300)

    names = {name for name, _ in found(SECRETS, blob)}

    assert names == {secret}


def test_nothing_is_found_where_nothing_is() -> None:
    blob = os.urandom(1 << 20) + json.dumps(dict.fromkeys(SECRETS, "another")).encode()

    assert found(SECRETS, blob) == set()


def test_every_column_and_every_file_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "report.md").write_text("in a file")
    with sqlite3.connect(tmp_path / "some.db") as connection:
        connection.execute("CREATE TABLE run (id INTEGER, parameters JSON, result BLOB)")
        connection.execute('INSERT INTO run VALUES (7, \'{"a": "in a column"}\', ?)', (gzip.compress(b"in a blob"),))
    connection.close()

    places = dict(left_in(tmp_path))

    assert places["deep/er/report.md"] == b"in a file"
    assert places["some.db run.id"] == b"7"
    assert places["some.db run.parameters"] == b'{"a": "in a column"}'
    assert found({"it": "in a blob"}, places["some.db run.result"])


def test_every_secret_variable_has_a_canary_that_its_check_takes() -> None:
    taken = {name: checked_values(integration, from_file()) for name, integration in EVERY.items()}

    missing = [
        row.name for name, one in EVERY.items() for row in one.variables if row.secret and row.field not in taken[name]
    ]
    assert missing == []


def test_a_document_is_found_by_the_parts_of_it_that_are_secret() -> None:
    document = json.loads(from_file()["GOOGLE_ACCOUNT_KEY"])
    pem: str = document["private_key"]
    parts = secret_parts(
        {
            "account": json.dumps(document),
            "app": pem.replace("\n", " "),
            "access": from_file()["AWS_IAM_ACCESS_KEY"],
            "version": from_file()["GOOGLE_KMS_KEY_VERSION"],
        }
    )

    assert parts["access (secret part)"] == json.loads(from_file()["AWS_IAM_ACCESS_KEY"])["secret_access_key"]
    assert parts["account (last line)"] == parts["app (last line)"] == pem.splitlines()[-3]
    assert len(parts) == 5
    assert {name for name, _ in found(parts, pem.encode())} == {
        name for name in parts if name != "access (secret part)"
    }
    assert found(parts, base64.b64encode(json.dumps(document).encode()))
