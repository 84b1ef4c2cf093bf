"""A bucket of S3, or of a store that speaks its language, read by AWS's own client over the line that all vendors have.

botocore signs and reads the listing, as in vendors/aws.py; sending is ours. Each part is fetched under If-Match, so that an
object which was replaced meanwhile is seen and never mixed. The ETag is the content's MD5 where the object was not uploaded
in parts and is not encrypted with a key of KMS or of the customer's; else only the length of what came down is checked.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html, .../API_GetObject.html, .../API_Object.html
"""

import io
import re
from collections.abc import Iterator, Mapping
from functools import cache
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from botocore import exceptions  # type: ignore[import-untyped]
from botocore.awsrequest import AWSResponse  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]
from botocore.session import get_session  # type: ignore[import-untyped]

from domain.diagnosis import Kind
from domain.errors import BadInput, OpsError, Unavailable
from domain.exchanges import Effect
from vendors.aws import AccessKey, row_maker, verb_of
from vendors.fields import NOTHING_SENT
from vendors.http import Answer, Call, Conduct, network_failure, succeeded
from vendors.object_stores import (
    PAGE_OBJECTS,
    Check,
    Digest,
    ObjectPage,
    Part,
    StoredBytesWire,
    StoredObject,
    conduct_towards,
    is_the_part,
    last_byte,
)

SYSTEM = "s3"
# Below them all hosts are S3's own; a bucket is a part of the host.
PUBLISHED_HOSTS = ("s3.*.amazonaws.com", "*.s3.*.amazonaws.com", "s3.amazonaws.com", "*.s3.amazonaws.com")
_LIST, _GET = frozenset({"list_objects_v2"}), frozenset({"get_object"})
_MD5 = re.compile(r"[0-9a-f]{32}")
# Clients are made one at a time: botocore's session is shared by all threads, and making one changes it.
_MAKING = Lock()

_row = row_maker(SYSTEM)
# Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
SIGNATURES = (
    _row("slow_down", {503}, "SlowDown", "S3 limits how often a prefix may be asked.", "Nothing: it is asked again, later each time. If it lasts, look for what else reads the bucket.", kind=Kind.UNAVAILABLE),
    _row("clock_wrong", {403}, "RequestTimeTooSkewed", "This machine's clock and S3's are more than 15 minutes apart.", "Set this machine's clock (timedatectl, chronyc tracking), then repeat."),
    _row("key_unknown", {403}, "InvalidAccessKeyId", "S3 knows no such access key: it was switched off or deleted, or belongs to another store.", "Put a key that works into the credentials that the section names."),
    _row("key_secret_wrong", {403}, "SignatureDoesNotMatch", "The access key's id is known, and the secret beside it is not its secret.", "Copy both parts of the key again."),
    _row("role_expired", {400, 403}, "ExpiredToken", "The worker's own role has run out and was not renewed.", "Restart the worker; if it stays, look at what gives the worker its role.", kind=Kind.UNAVAILABLE),
    _row("archived", {403}, "InvalidObjectState", "The object lies in an archive (Glacier) and cannot be read from there.", "Restore it in the S3 console, then count again.", verbs=_GET),
    _row("region_wrong", {400}, "region", "The bucket lies in another region than the one that was asked.", "Give the credentials' block the bucket's region, or the worker AWS_DEFAULT_REGION."),
    _row("region_moved", {301, 307}, "", "The bucket lies in another region than the one that was asked.", "Give the credentials' block the bucket's region, or the worker AWS_DEFAULT_REGION."),
    _row("object_changed", {412}, "", "The object was replaced after it was listed; what there is of it now was not read.", "Count again: the bucket is listed anew. Files of events should be written once.", verbs=_GET),
    _row("object_gone", {404}, "NoSuchKey", "The object was removed after it was listed.", "Count again; look at the bucket's lifecycle rules if it stays away.", verbs=_GET),
    _row("bucket_unknown", {404}, "NoSuchBucket", "There is no bucket of this name.", "Compare the section's place with the S3 console."),
    _row("list_denied", {403}, "", "Whoever was chosen may not list the bucket.", "Allow s3:ListBucket on the bucket to the key or role that the section names.", verbs=_LIST),
    _row("read_denied", {403}, "", "Whoever was chosen may list the bucket and not read this object.", "Allow s3:GetObject on the section's prefix, and kms:Decrypt where the objects are encrypted with a KMS key.", verbs=_GET),
)  # fmt: skip


class S3Bucket:
    """One bucket. Its client is made with the first request and repeats nothing."""

    def __init__(
        self, bucket: str, conduct: Conduct, *, key: AccessKey | None = None, region: str = "", address: str = ""
    ) -> None:
        self._bucket, self._key, self._region, self._address = bucket, key, region, address
        towards = conduct_towards(address, conduct)
        self._wire = StoredBytesWire(SYSTEM, towards, signatures=SIGNATURES, published_hosts=PUBLISHED_HOSTS)
        self._wire.check_host(address or "https://s3.amazonaws.com")
        self._client: Any = None
        if key is None and conduct.hosts.rehearsal:
            raise BadInput(
                "There is no access key to read the bucket with.",
                f"The worker's own role has no place in the rehearsal. {NOTHING_SENT}",
                "Name credentials in the section of emitted events, or read from a folder.",
            )

    def page(self, prefix: str, cursor: str) -> ObjectPage:
        after = {"ContinuationToken": cursor} if cursor else {}
        said = self._asked("list_objects_v2", Prefix=prefix, MaxKeys=PAGE_OBJECTS, **after)
        try:
            found = [
                StoredObject(str(row["Key"]), int(row["Size"]), str(row["ETag"]).strip('"'))
                for row in said.get("Contents") or ()
            ]
        except KeyError:
            raise self._garbage("list_objects_v2") from None
        # Whoever does not know prefixes would answer with the whole bucket.
        objects = tuple(one for one in found if one.key.startswith(prefix))
        if not said.get("IsTruncated"):
            return ObjectPage(objects, "")
        following = str(said.get("NextContinuationToken", ""))
        if not following:
            # There is more, and no way to it: the rest of the files would be missed in silence.
            raise self._garbage("list_objects_v2")
        return ObjectPage(objects, following)

    def part(self, wanted: StoredObject, start: int) -> Part:
        said = self._asked(
            "get_object", Key=wanted.key, IfMatch=f'"{wanted.version}"', Range=f"bytes={start}-{last_byte(wanted, start)}"
        )  # fmt: skip
        return Part(said["Body"].read(), _whole(said))

    def close(self) -> None:
        self._wire.close()

    def _asked(self, operation: str, **parameters: Any) -> dict[str, Any]:
        try:
            said: dict[str, Any] = getattr(self._opened(), operation)(Bucket=self._bucket, **parameters)
        except (ResponseParserError, exceptions.ClientError):
            # Its text holds the answer's body. What S3 itself refuses is raised by the wire.
            raise self._garbage(operation) from None
        except exceptions.BotoCoreError as error:
            raise _without_role(error) from None
        return said

    def _garbage(self, operation: str) -> OpsError:
        host = urlsplit(self._address).netloc.rpartition("@")[2] or "s3.amazonaws.com"
        return network_failure("network.garbage", operation, Effect.READS, host, 0)

    def _opened(self) -> Any:
        with _MAKING:
            if self._client is None:
                self._client = self._made()
            return self._client

    def _made(self) -> Any:
        session = _session()
        who = {}
        if self._key is not None:
            who = {"aws_access_key_id": self._key.key_id, "aws_secret_access_key": self._key.secret}
        client = session.create_client(
            "s3",
            region_name=self._region or session.get_config_variable("region") or "us-east-1",
            endpoint_url=self._address or None,
            config=Config(
                retries={"total_max_attempts": 1, "mode": "standard"},
                ignore_configured_endpoint_urls=True,
                # A part has no checksum of its own, and the whole is checked by us.
                response_checksum_validation="when_required",
                s3={
                    # A store elsewhere has no host per bucket.
                    "addressing_style": "path" if self._address else "auto",
                    "us_east_1_regional_endpoint": "regional",
                },
                user_agent_extra="opsflows",
            ),
            **who,
        )
        client.meta.events.register_first("before-send", self._send)
        return client

    def _send(self, request: Any, event_name: str, **_: Any) -> Any:
        """Send what botocore finished and signed; its event names the operation."""
        headers = {str(name).lower(): _text(value) for name, value in request.headers.items()}
        verb = verb_of(event_name.rpartition(".")[2])
        call = Call(verb, Effect.READS, request.method, request.url, {**headers, "accept-encoding": "identity"})
        answer = self._wire.exchange(call, accepted=lambda got: _is_answer(verb, headers, got))
        return AWSResponse(request.url, answer.status, answer.headers, _Whole(answer.body))


class _Whole(io.BytesIO):
    """An answer's body as botocore reads it."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def _is_answer(verb: str, headers: Mapping[str, str], answer: Answer) -> bool:
    if verb in _GET:
        return is_the_part(answer, headers)
    # A page of somebody else on the way is a 200 as well.
    return succeeded(answer) and b"<ListBucketResult" in answer.body and b"</ListBucketResult>" in answer.body


def _whole(said: Mapping[str, Any]) -> Digest | None:
    etag = str(said.get("ETag", "")).strip('"')
    of_content = said.get("ServerSideEncryption") in {None, "AES256"} and "SSECustomerAlgorithm" not in said
    return Digest(Check.MD5, etag) if of_content and _MD5.fullmatch(etag) else None


def _without_role(error: Exception) -> OpsError:
    """Return the error for what can fail before anything is sent: a client that has no key and finds no role."""
    unusable = (
        exceptions.NoCredentialsError, exceptions.PartialCredentialsError, exceptions.ProfileNotFound,
        exceptions.ConfigParseError, exceptions.ParamValidationError,
    )  # fmt: skip
    kind = BadInput if isinstance(error, unusable) else Unavailable
    return kind(
        f"The bucket could not be asked for ({type(error).__name__}).",
        f"Without credentials in its section it is read with the worker's own role. {NOTHING_SENT}",
        "Look at what gives the worker its role and at the bucket's name, or name credentials in the section.",
    )


@cache
def _session() -> Any:
    return get_session()


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
