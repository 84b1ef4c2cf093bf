"""Times in which losses may lie: incidents that somebody named, failing verifications, rotations, a service's KMS that was DOWN."""

from collections.abc import Iterator
from datetime import UTC

from domain.kms_checks import PartKind
from domain.kms_history import Spell
from domain.reconciliation import Overlay
from domain.windows import Window
from ledger.kms_checks import spells_since
from ledger.rotation_rows import rotation_spans
from ledger.verifications import failing_spans
from steps.context import Context

# Whose being DOWN keeps a service from sending: a lost golden ciphertext or a rotation that is overdue does not.
_ENCRYPTS = frozenset({PartKind.HEALTH, PartKind.APPLICATION, PartKind.CANARY})


def known_windows(context: Context, window: Window) -> tuple[Overlay, ...]:
    """Return what lies in the window, the earliest first; only an incident that somebody named explains a loss."""
    ledger, environment = context.ledger, context.environment
    named = [
        Overlay(Window(one.start.astimezone(UTC), one.end.astimezone(UTC)), target, one.note)
        for one in context.config.incidents
        if one.environment == environment
        for target in one.targets or ("",)
    ]
    failing = [
        Overlay(span, str(target), f"verifications failed {_from_to(span)}", explains=False)
        for target, span in failing_spans(ledger, environment, window)
    ]
    rotated = [
        Overlay(span, str(credential.target), f"{credential} was rotated {_from_to(span)}", explains=False)
        for credential, span in rotation_spans(ledger, environment, window)
    ]
    degraded = _degraded(spells_since(ledger, environment, window.start), window)
    within = [one for one in (*named, *failing, *rotated, *degraded) if one.window.overlap(window) is not None]
    return tuple(sorted(within, key=lambda one: (one.window, one.target, one.words)))


def _degraded(spells: list[Spell], window: Window) -> Iterator[Overlay]:
    """Yield when the service, its own canary or its keys' were DOWN, as one span where they were so together.

    They are of all integrations: what a service cannot encrypt it may send to none of them.
    """
    for service in sorted({one.target for one in spells}):
        of_service = [
            (span, one.part)
            for one in spells
            if one.target == service
            and one.part.partition("/")[0] in _ENCRYPTS
            and (span := Window(one.began_at, one.ended_at or window.end).overlap(window))
        ]
        for span, parts in _together(of_service):
            words = f"the KMS check of {service} was DOWN {_from_to(span)}: {', '.join(sorted(parts))}"
            yield Overlay(span, "", words, explains=False)


def _together(spans: list[tuple[Window, str]]) -> list[tuple[Window, set[str]]]:
    """Return the spans with those that touch each other as one, the earliest first, each with the parts that it is of."""
    found: list[tuple[Window, set[str]]] = []
    for span, part in sorted(spans, key=lambda one: (one[0].start, one[0].end)):
        if found and span.start <= found[-1][0].end:
            before, parts = found[-1]
            found[-1] = (Window(before.start, max(before.end, span.end)), parts | {part})
        else:
            found.append((span, {part}))
    return found


def _from_to(span: Window) -> str:
    return f"from {span.start:%-d %b %H:%M} to {span.end:%-d %b %H:%M} UTC"
