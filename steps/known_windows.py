"""Times in which losses may lie: incidents that somebody named, failing verifications, rotations."""

from datetime import UTC

from domain.reconciliation import Overlay
from domain.windows import Window
from ledger.rotation_rows import rotation_spans
from ledger.verifications import failing_spans
from steps.context import Context


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
    within = [one for one in (*named, *failing, *rotated) if one.window.overlap(window) is not None]
    return tuple(sorted(within, key=lambda one: (one.window, one.target, one.words)))


def _from_to(span: Window) -> str:
    return f"from {span.start:%-d %b %H:%M} to {span.end:%-d %b %H:%M} UTC"
