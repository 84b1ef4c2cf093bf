"""One of Google's APIs as its official client speaks it: read off that client, nothing of it typed by hand.

The methods' paths and messages come from the client's gRPC transport, the HTTP routes from its REST transport. So a
stand-in speaks what the installed client speaks, and a method that a newer client brings is refused as not implemented
instead of being missed. Source: the packages google-cloud-secret-manager, google-cloud-kms, google-cloud-iam.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl

# A class of protobuf messages, and a message. Google's packages ship no types, and none is imported before it is needed.
MessageType = Any
Message = Any


@dataclass(frozen=True, slots=True)
class HttpRule:
    """How a method is called over HTTP. `template` holds {field=pattern}; `body` is the field sent as body, * for all."""

    verb: str
    template: str
    body: str
    rpc: str


@dataclass(frozen=True, slots=True)
class Rpc:
    """One method. `request` is None where the client does not show which message it sends."""

    name: str
    request: MessageType | None
    response: MessageType


class NotUnderstood(ValueError):
    """What was sent is no message of this method."""


class Api:
    """A service of Google's, e.g. google.cloud.kms.v1.KeyManagementService, whose client is in `package`.

    The client is imported when the first request comes: the three of them take half a second, which every start of the
    stand-ins would pay for and most never use.
    """

    def __init__(self, service: str, package: str, http_rules: Iterable[HttpRule] = ()) -> None:
        self.service = service
        self._package = package
        # For a client that has no REST transport to read them off.
        self._given_rules = tuple(http_rules)

    @cached_property
    def rpcs(self) -> Mapping[str, Rpc]:
        """Return every method of the service by its name."""
        transports = import_module(f"{self._package}.transports")
        transport = getattr(transports, f"{self.service.rpartition('.')[2]}GrpcTransport")
        found = (_rpc(path, *codecs) for path, codecs in _called_over(transport).items() if self._is_ours(path))
        return {rpc.name: rpc for rpc in found}

    def rpc_at(self, path: str) -> Rpc | None:
        """Return the method whose gRPC path this is."""
        return self.rpcs.get(path.rpartition("/")[2]) if self._is_ours(path) else None

    def over_http(self, verb: str, path: str) -> tuple[HttpRule, Mapping[str, str]] | None:
        """Return which method is called so, with the fields that the path holds."""
        found = ((rule, pattern.fullmatch(path)) for rule, pattern in self._patterns if rule.verb == verb)
        return next(((rule, _dotted(match.groupdict())) for rule, match in found if match), None)

    @cached_property
    def _patterns(self) -> tuple[tuple[HttpRule, re.Pattern[str]], ...]:
        rules = self._given_rules or tuple(_rest_rules(f"{self._package}.transports.rest_base"))
        return tuple((rule, _pattern(rule.template)) for rule in rules)

    def _is_ours(self, path: str) -> bool:
        return path.startswith(f"/{self.service}/")


def json_of(rpc: Rpc, message: bytes) -> bytes:
    """Return a request that came over gRPC as JSON.

    Raises:
        NotUnderstood: it is no message of this method.
    """
    if rpc.request is None:
        return b"{}"
    try:
        return json.dumps(_as_json(rpc.request.FromString(message))).encode()
    except import_module("google.protobuf.message").DecodeError as error:
        raise NotUnderstood(str(error)) from error


def message_of(rpc: Rpc, body: bytes) -> bytes:
    """Return the JSON of an answer as the message that leaves over gRPC.

    Raises:
        NotUnderstood: it is no answer of this method.
    """
    message: bytes = _parsed(rpc.response, json.loads(body)).SerializeToString()
    return message


def checked_request(rpc: Rpc, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request's fields as JSON writes them, whichever way the client wrote them.

    Raises:
        NotUnderstood: a field is unknown or does not fit.
    """
    return _as_json(_parsed(rpc.request, said)) if rpc.request is not None else {}


def checked_answer(rpc: Rpc, said: Mapping[str, Any], *, enums_as_numbers: bool) -> dict[str, Any]:
    """Return an answer's fields as JSON writes them.

    Raises:
        NotUnderstood: the stand-in answered what this method cannot answer.
    """
    return _as_json(_parsed(rpc.response, said), enums_as_numbers=enums_as_numbers)


def http_request(rule: HttpRule, held: Mapping[str, str], query: str, body: Any) -> dict[str, Any]:
    """Return the fields of a request over HTTP: from its path, its query and its body."""
    fields: dict[str, Any] = {}
    if rule.body == "*":
        fields = dict(body or {})
    elif rule.body:
        fields = {rule.body: dict(body or {})}
    asked: dict[str, list[Any]] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        asked.setdefault(name, []).append({"true": True, "false": False}.get(text, text))
    for name, values in asked.items():
        if not name.startswith("$") and name != "alt":
            _put(fields, name, values[0] if len(values) == 1 else values)
    for name, text in held.items():  # last: what the path says overrules the body
        _put(fields, name, text)
    return fields


def _put(fields: dict[str, Any], dotted: str, value: Any) -> None:
    *outer, name = dotted.split(".")
    for step in outer:
        fields = fields.setdefault(step, {})
    fields[name] = value


def _as_json(message: Message, *, enums_as_numbers: bool = False) -> dict[str, Any]:
    to_dict = import_module("google.protobuf.json_format").MessageToDict
    fields: dict[str, Any] = to_dict(message, use_integers_for_enums=enums_as_numbers)
    return fields


def _parsed(kind: MessageType, said: Any) -> Message:
    json_format = import_module("google.protobuf.json_format")
    try:
        return json_format.ParseDict(said, kind())
    except (json_format.ParseError, AttributeError, TypeError) as error:  # the latter two where it is no JSON object
        raise NotUnderstood(str(error)) from error


Codecs = tuple[Callable[..., bytes], Callable[[bytes], Any]]


class _NeverSent(Exception):
    """A call over the channel that only writes down what it is asked for."""


class _Stub:
    """A method of the writing channel. Whatever is called so, nothing is sent."""

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise _NeverSent

    with_call = future = __call__


@dataclass(frozen=True, slots=True)
class _WritingChannel:
    """A gRPC channel that leads nowhere."""

    seen: dict[str, Codecs] = field(default_factory=dict)

    def unary_unary(self, method: str, serializer: Any, deserializer: Any, *_: Any, **__: Any) -> _Stub:
        self.seen[method] = (serializer, deserializer)
        return _Stub()

    def unary_stream(self, *_: Any, **__: Any) -> _Stub:
        return _Stub()

    stream_unary = stream_stream = unary_stream


def _called_over(transport: Any) -> dict[str, Codecs]:
    """Return what a client's gRPC transport would call: each method's path, its serializer and its deserializer."""
    # The transport takes nothing else for a channel.
    import_module("grpc").Channel.register(_WritingChannel)
    channel = _WritingChannel()
    speaking = transport(channel=channel)
    for name in _properties(transport):
        stub = getattr(speaking, name, None)
        if callable(stub):
            # The client's own interceptor asks the channel for the method only when it is called.
            with suppress(_NeverSent):
                stub(None)
    return channel.seen


def _properties(kind: type) -> list[str]:
    members = {name: value for base in kind.__mro__ for name, value in vars(base).items()}
    return [name for name, value in members.items() if isinstance(value, property) and not name.startswith("_")]


def _rpc(path: str, serializer: Any, deserializer: Any) -> Rpc:
    request = getattr(serializer, "__self__", None)
    return Rpc(
        path.rpartition("/")[2],
        _bare(request) if request is not None else None,
        _bare(deserializer.__self__),
    )


def _bare(kind: Any) -> MessageType:
    """Return the protobuf class itself; proto-plus, which the clients use, wraps it."""
    return type(kind.pb(kind())) if hasattr(kind, "pb") else kind


def _rest_rules(module: str) -> Iterable[HttpRule]:
    """Give the HTTP routes that a client's REST transport is made of."""
    inner = [
        part for kind in vars(import_module(module)).values() if isinstance(kind, type) for part in vars(kind).items()
    ]
    for name, part in inner:
        options = vars(part).get("_get_http_options") if isinstance(part, type) else None
        if options is not None:
            for row in options():
                yield HttpRule(row["method"].upper(), row["uri"], row.get("body", ""), name.removeprefix("_Base"))


def _pattern(template: str) -> re.Pattern[str]:
    """Return what matches a path of this template. Source: google/api/http.proto, path template syntax."""
    pieces = re.split(r"\{([^=}]+)(?:=([^}]*))?\}", template)
    texts, names, forms = pieces[0::3], pieces[1::3], pieces[2::3]
    # A group's name cannot hold a dot.
    groups = [f"(?P<{name.replace('.', '__')}>{_form(form or '*')})" for name, form in zip(names, forms, strict=True)]
    return re.compile("".join(a + b for a, b in zip(map(re.escape, texts), [*groups, ""], strict=True)))


def _form(form: str) -> str:
    """One * is one step of a path, without the verb after its colon; two are any number of steps."""
    return "".join({"**": ".+", "*": "[^/:]+"}.get(part, re.escape(part)) for part in re.split(r"(\*+)", form))


def _dotted(groups: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("__", "."): text for name, text in groups.items()}
