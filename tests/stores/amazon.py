"""A bucket of S3 for tests: moto answers, behind a server whose answers a test can spoil. moto checks no signature."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import boto3  # type: ignore[import-untyped]
import httpx
from botocore.config import Config  # type: ignore[import-untyped]

from tests.peers.conftest import _installed, _served
from tests.stores.loopback import Asked, Loopback, Told, serving
from vendors.aws import AccessKey

KEY = AccessKey("AKIA" + "T" * 16, "s" * 40)


@dataclass(frozen=True, slots=True)
class S3:
    """moto, a bucket of a test's own in it, and the server in front of it. `page_objects` are in a page, if less than asked."""

    bucket: str
    client: Any
    front: Loopback

    def put(self, key: str, body: bytes, **more: str) -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=body, **more)


@contextmanager
def moto_server(home: Path) -> Iterator[str]:
    assert sys.executable
    with _served(_installed("moto_server"), "-H", "127.0.0.1", "-p", "0", home=home) as url:
        yield url


@contextmanager
def s3_bucket(moto_url: str, page_objects: int = 1000) -> Iterator[S3]:
    """Give an empty bucket. Its pages have `page_objects` at most: a store may always answer with fewer than are asked for."""
    made = boto3.client(
        "s3", region_name="us-east-1", endpoint_url=moto_url, aws_access_key_id=KEY.key_id,
        aws_secret_access_key=KEY.secret, config=Config(s3={"addressing_style": "path"}),
    )  # fmt: skip
    name = f"events-{uuid4().hex[:12]}"
    made.create_bucket(Bucket=name)
    with httpx.Client(base_url=moto_url, trust_env=False) as behind:

        def answer(asked: Asked) -> Told:
            query = asked.query
            if "max-keys" in query:
                query["max-keys"] = str(min(int(query["max-keys"]), page_objects))
            kept = {name: text for name, text in asked.headers.items() if name not in {"host", "content-length"}}
            request = behind.build_request("GET", f"{asked.path}?{urlencode(query)}", headers=kept)
            got = behind.send(request, stream=True)
            body = b"".join(got.iter_raw())
            dropped = {"content-length", "transfer-encoding", "connection", "date", "server"}
            return Told(got.status_code, body, {n: t for n, t in got.headers.items() if n not in dropped})

        with serving(answer) as front:
            yield S3(name, made, front)


def refused(status: int, code: str, message: str = "refused") -> Told:
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Told(status, body.encode(), {"content-type": "application/xml"})
