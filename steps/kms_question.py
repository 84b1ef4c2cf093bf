"""What a smoke check is asked about one key, with all that is remembered of it; and the lines to keys that it holds meanwhile."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from domain.kms_checks import Part
from domain.kms_golden_turns import names_of
from domain.kms_goldens import NewGolden
from domain.kms_past import KeyKnown
from steps.kms_operations import Asking
from vendors.kms import KmsKey

PLAINTEXT_BYTES = 32


@dataclass(frozen=True, slots=True)
class OtherKey:
    """A key that must not open what this one encrypted; `is_named` where other_key of the section says so."""

    name: str
    connect: Callable[[], KmsKey]
    is_named: bool = False


@dataclass(frozen=True, slots=True)
class KeyQuestion:
    """One key of one target at one moment: what is known of it, and how it is asked.

    `connect` opens a key by name with the same identity; `others` are keys that may be another than this one, the first that is
    shall not open what this one encrypted. `names_versions` says that a version can be named to encrypt with.
    """

    known: KeyKnown
    connect: Callable[[str], KmsKey]
    asking: Asking
    random: Callable[[int], bytes]
    others: Sequence[OtherKey] = ()
    names_versions: bool = False


@dataclass(frozen=True, slots=True)
class Trial:
    """What decrypting one golden ciphertext came to; `fault` is empty where it opened."""

    golden: NewGolden
    fault: str = ""
    detail: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return names_of(self.golden)


@dataclass(frozen=True, slots=True)
class KeyChecked:
    """What a key's check came to; goldens to be kept and trials to be written down are the caller's."""

    parts: tuple[Part, ...]
    kept: tuple[NewGolden, ...] = ()
    trials: tuple[Trial, ...] = ()


class Ring:
    """The keys that the check of one key has open, each connected to once; used by one thread."""

    def __init__(self, connect: Callable[[str], KmsKey]) -> None:
        self._connect = connect
        self._open: dict[str, KmsKey] = {}

    def key(self, name: str) -> KmsKey:
        """Return the key. Raises what `connect` raises."""
        if name not in self._open:
            self._open[name] = self._connect(name)
        return self._open[name]

    def called(self, name: str, key: KmsKey) -> None:
        """Know an open key by another name of it: the one in its answers."""
        self._open.setdefault(name, key)

    def close(self) -> None:
        for key in {id(key): key for key in self._open.values()}.values():
            key.close()
