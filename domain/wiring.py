"""Wiring modes, as operators know them: what of an environment is verified for real, and what on stand-ins."""

from collections.abc import Iterable
from dataclasses import dataclass

from domain.errors import BadInput
from domain.names import REHEARSAL, Target

MODE_VARIABLE = "OPERATOR_WIRING_MODE"
ROLLBACK_FLAG = "OPERATOR_WIRING_PROD_ENABLED=0"
MOCK = "mock"
REAL_ALL = "real_all"
_REAL = "real_"
_NAME = "[a-z0-9]+(/[a-z0-9]+)?"
# What forms take: `real_all` is written as a name is.
WIRING_MODE = f"{MOCK}|{_REAL}{_NAME}(,{_NAME})*"


@dataclass(frozen=True, slots=True)
class Mode:
    """`mock`, `real_all`, or `real_<name>[,<name>]`; `names` is empty unless names were given."""

    text: str
    names: frozenset[str] = frozenset()

    @property
    def is_real(self) -> bool:
        return self.text != MOCK

    def selects(self, target: Target) -> bool:
        return not self.names or target.integration in self.names or str(target) in self.names


def parse_mode(text: str, in_scope: Iterable[Target]) -> Mode:
    """Read a wiring mode.

    Raises:
        BadInput: not a mode, or a name that is not in scope in this environment.
    """
    if text in {MOCK, REAL_ALL}:
        return Mode(text)
    names = frozenset(text.removeprefix(_REAL).split(",")) if text.startswith(_REAL) else frozenset()
    known = {name for target in in_scope for name in (target.integration, str(target))}
    if not names or not names <= known:
        wrong = ", ".join(sorted(repr(name) for name in names - known)) or repr(text)
        raise BadInput(
            f"{MODE_VARIABLE}: {wrong} cannot be used.",
            f"A mode is mock, real_all, or real_ and names in scope: {', '.join(sorted(known)) or 'none'}.",
            f"For example {MODE_VARIABLE}=real_{next(iter(sorted(known)), 'slack')}.",
        )
    return Mode(text, names)


def check_environment(mode: Mode, environment: str) -> None:
    """Raise BadInput unless the mode and the environment are of one world."""
    if mode.is_real == (environment == REHEARSAL):
        raise BadInput(
            f"Mode {mode.text} does not go with environment {environment}.",
            f"mock is the environment {REHEARSAL}, and only that.",
            f"Choose --mode mock with {REHEARSAL}, or a real_ mode with another environment.",
        )
