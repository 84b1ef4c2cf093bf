"""An error is named by what its reader may do next.

OpsError
├── BadInput        nothing was sent: correct the named field
├── Rejected        the other side refused: do not repeat
├── Unavailable     nothing happened: repeat, not before `retry_after`
├── NotYet          not converged: poll within the vendor's bound
└── OutcomeUnknown  sent, no usable answer: look before you repeat
"""

from datetime import timedelta


class OpsError(Exception):
    """What happened, what it means, what to do next: one sentence each, never a secret, a body or a URL that is one.

    `symptom` names the row of the diagnosis table (`slack.no_service`); empty when no row speaks of it.
    Every field goes positionally to Exception, because Prefect pickles what a flow raises.
    """

    def __init__(
        self,
        happened: str,
        means: str,
        next_step: str,
        symptom: str = "",
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(happened, means, next_step, symptom, retry_after)
        self.happened = happened
        self.means = means
        self.next_step = next_step
        self.symptom = symptom
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.happened} {self.means} {self.next_step}"


class BadInput(OpsError):
    """A value an operator gave cannot be used. Nothing was sent and nothing was changed."""


class Rejected(OpsError):
    """The other side refused, and will refuse again."""


class Unavailable(OpsError):
    """Nothing happened at the other side; repeating is safe after `retry_after`."""


class NotYet(OpsError):
    """The other side has not converged; polling within its bound is right."""


class OutcomeUnknown(OpsError):
    """The request left and no usable answer came back; it may have taken effect."""
