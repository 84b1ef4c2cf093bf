"""What goes wrong in the encrypting service, silently or not: the control plane's actions."""

from collections.abc import Mapping
from types import MappingProxyType

from mocks.backend_memory import (
    COUNTERS,
    OPERATIONS,
    PLAIN,
    PREFIXED,
    Backend,
    CachedPage,
    begin,
)
from mocks.backend_pages import health_text
from mocks.stage import Action, Order


def _set_mode(desk: Backend, order: Order) -> object:
    """Let the service encrypt in `mode` from now on, and say so; `plaintext` encrypts nothing."""
    desk.memory.mode = order.text("mode", "kms")
    return {"mode": desk.memory.mode}


def _set_ready(desk: Backend, order: Order) -> object:
    desk.memory.ready = _flag(order, "ready")
    return {"ready": desk.memory.ready}


def _set_status(desk: Backend, order: Order) -> object:
    """Let the health page come with this `status`; what is in it stays."""
    desk.memory.status = int(order.number("status", 200))
    return {"status": desk.memory.status}


def _fall_back(desk: Backend, order: Order) -> object:
    """Write plaintext while the health page says kms and ready: `how` is plain or prefixed; empty ends it."""
    how = order.text("how", PLAIN)
    if how not in {"", PLAIN, PREFIXED}:
        raise ValueError(f"how is {PLAIN}, {PREFIXED} or empty")
    desk.memory.fallback = how
    return {"how": how}


def _lose_key(desk: Backend, order: Order) -> object:
    """Let nothing be decrypted any more, also what was encrypted just now; with `lost` false it is found again."""
    desk.memory.key_is_lost = _flag(order, "lost")
    return {"lost": desk.memory.key_is_lost}


def _swap_text(desk: Backend, order: Order) -> object:
    """Let every ciphertext be decrypted to another text; with `swapped` false to its own again."""
    desk.memory.text_is_swapped = _flag(order, "swapped")
    return {"swapped": desk.memory.text_is_swapped}


def _cache_health(desk: Backend, order: Order) -> object:
    """Let a cache serve the health page of now, as if it were `age_s` old already; with `on` false the service itself."""
    kept = CachedPage(health_text(desk), desk.now() - order.number("age_s", 120.0))
    desk.memory.cached = kept if _flag(order, "on") else None
    return {"cached": desk.memory.cached is not None}


def _count(desk: Backend, order: Order) -> object:
    """Let counter `name` be `n` higher."""
    name = order.text("name")
    if name not in COUNTERS:
        raise ValueError(f"name is one of {', '.join(COUNTERS)}")
    desk.memory.counters[name] += int(order.number("n", 1))
    return {name: desk.memory.counters[name]}


def _observe(desk: Backend, order: Order) -> object:
    """Let `times` calls of the KMS have taken `seconds` each; `operation` is encrypt or decrypt."""
    name = order.text("operation", "encrypt")
    if name not in OPERATIONS:
        raise ValueError(f"operation is one of {', '.join(OPERATIONS)}")
    desk.memory.latencies[name].observe(order.number("seconds"), int(order.number("times", 1)))
    return {"operation": name}


def _restart(desk: Backend, order: Order) -> object:
    """Start the process anew: its counters are 0, what is wrong with its encryption stays wrong."""
    del order
    begin(desk, desk.now())
    return {"started_at": desk.memory.started_at}


def _flag(order: Order, name: str) -> bool:
    """Return what is said of the name, true where nothing is; a text like "false" is neither."""
    said = order.fields.get(name, True)
    if not isinstance(said, bool):
        raise ValueError(f"{name} is true or false")  # noqa: TRY004 (what the control plane answers 400 for)
    return said


ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "set_mode": _set_mode,
        "set_ready": _set_ready,
        "set_status": _set_status,
        "fall_back": _fall_back,
        "lose_key": _lose_key,
        "swap_text": _swap_text,
        "cache_health": _cache_health,
        "count": _count,
        "observe": _observe,
        "restart": _restart,
    }
)
