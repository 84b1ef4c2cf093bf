"""Whether a run only says what it would do, or does it: a field of every form that changes something, where plan is the default."""

from enum import StrEnum


class Mode(StrEnum):
    """Whether to look or to act."""

    PLAN = "plan"
    APPLY = "apply"
