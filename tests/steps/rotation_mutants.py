"""Defects of a rotation engine, each put into ours by one edit of its source, in a process of its own; each must be noticed.

`python -m tests.steps.rotation_mutants NAME` searches the engine with that defect and exits 1 when an invariant breaks, 0 when
none does; `gate`, `wide` and `pointed` make the same searches of the engine as it is. The engine knows nothing of this: the edits are made as
it is imported.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

ROOT = Path(__file__).parents[2]
GATE, WIDE, POINTED = "gate", "wide", "pointed"
NOTICED, CLEAN = 1, 0


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of one file: `before` stands there exactly once."""

    file: str
    before: str
    after: str

    def applied(self, source: str) -> str:
        """Return the changed source. Raises LookupError where the file does not say that, or says it twice."""
        found = source.count(self.before)
        if found != 1:
            raise LookupError(f"{self.file} has {found} times, and not once: {self.before!r}")
        return source.replace(self.before, self.after)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One defect, what it does, the search that meets it, and the invariants that may notice it first."""

    name: str
    does: str
    search: str
    noticed_by: frozenset[str]
    edits: tuple[Edit, ...]


def _mutant(name: str, does: str, search: str, noticed_by: str, *edits: tuple[str, str, str]) -> Mutant:
    return Mutant(name, does, search, frozenset(noticed_by.split()), tuple(Edit(*edit) for edit in edits))


# The fourteen of rotation.md. Where another invariant than its is named first, the comment says why.
SEEDED = (
    _mutant(
        "no_wal", "the vendor is asked before the intent is committed", GATE, "I5",
        ("steps/minting.py", '    kept = intend(\n        held, "create",', '    minted = hands.vendor.create(mark, value)\n    kept = intend(\n        held, "create",'),
    ),
    # Where the vendor has no place left, the credential that nobody has the value of keeps the rotation from ending (I11) before
    # another one can be made under its marker (I10).
    _mutant(
        "no_reconcile", "after a crash the creation is repeated without looking", GATE, "I10 I11",
        (
            "steps/minting.py", "    found = made_by_attempt(hands, held)\n    ours =",
            '    write(held, "decision", {}, state=State.PLANNED, columns={"attempt": held.record.attempt - 1})\n    return None\n    found = made_by_attempt(hands, held)\n    ours =',
        ),
    ),
    _mutant(
        "no_overlap", "the old one goes as soon as the new one is published", GATE, "I2",
        ("domain/retiring.py", "    over = evidence.served_at + policy.overlap\n", "    over = evidence.served_at\n"),
    ),
    _mutant(
        "tpub_before_flip", "the overlap counts from before applications could read the new value", GATE, "I2",
        ("steps/publishing.py", 'columns={"served_at": hands.ledger.now()}', 'columns={"served_at": record.flipped_at}'),
    ),
    _mutant(
        "ignore_last_used", "a use of the old one keeps nothing", GATE, "I4",
        ("domain/retiring.py", "    if used is not None and used > seen_until - policy.quiet:", "    if False:"),
    ),
    _mutant(
        "ignore_watermark", "a reading that does not reach to the end of the overlap is taken for one that does", GATE, "I4",
        ("domain/retiring.py", "    covered = over + (manifest.last_used_lag or timedelta(0))", "    covered = over"),
        ("domain/retiring.py", "    if seen_until < evidence.served_at + policy.overlap:", "    if False:"),
    ),
    # The gate that is not asked again neither reads the last use (I4) nor probes (I3): whichever is missed first.
    _mutant(
        "no_recheck", "an intent to switch off is carried out later without asking the gate again", GATE, "I2 I3 I4",
        ("steps/retiring.py", "    if stop := serve_and_gate(hands, held):", "    if stop := None:"),
    ),
    # I3 is broken before I1 can be: a version that was never proven need not be a bad one.
    _mutant(
        "no_verify", "the new one is published without a probe", WIDE, "I1 I3",
        ("steps/minting.py", "    proof = hands.vendor.prove(stored.value)\n", "    proof = Proof(Proven.PASSED, hands.ledger.now())\n"),
    ),
    _mutant(
        "delete_oldest", "where no place is free the oldest is deleted, whosever it is", WIDE, "I1 I7",
        (
            "steps/minting.py", "    return _no_slot(hands.vendor.listing(), hands) or _create(hands, held)",
            '    listing = hands.vendor.listing()\n    if _no_slot(listing, hands):\n        oldest = listing.credentials[0].vendor_id\n        intend(held, "revoke", {"vendor_id": oldest})\n        hands.vendor.revoke(oldest)\n    return _create(hands, held)',
        ),
    ),
    _mutant(
        "sweep_foreign", "the orphan sweep deletes what it does not know", WIDE, "I7",
        ("steps/orphans.py", "            foreign.append(_told(one))", "            hands.vendor.revoke(one.vendor_id)"),
    ),
    # A change by a worker that does not have the rotation is I8's, before it can be a second creation (I10).
    _mutant(
        "no_lease_check", "a worker that was stopped past its lease carries out what it had begun", GATE, "I8 I10",
        ("ledger/rotations.py", "    _check_held(record_of(row) if row else None, held.record, latest)\n", "    del row, latest\n"),
    ),
    _mutant(
        "no_fence", "a worker whose rotation another has taken over goes on writing", GATE, "I8 I10",
        ("ledger/rotations.py", "        or there.fence != before.fence\n", ""),
    ),
    # I15 is I1 at the moment of the flip back: the version that became current is one that is switched off.
    _mutant(
        "rollback_no_enable", "the old one is gone back to without switching it on", WIDE, "I1 I15",
        ("steps/rolling_back.py", '    if not touched or record.facts.get("enabled_at"):', "    if True:"),
    ),
    _mutant(
        "early_return", "what is published counts as done", GATE, "I6",
        (
            "steps/rotating.py", "    State.PUBLISHED: retire,",
            '    State.PUBLISHED: lambda hands, held: (retire(hands, held) if held.record.served_at is None else None) or write(held, "outcome", {}, state=State.REVOKING) or write(held, "outcome", {}, state=held.record.ends_as),',
        ),
        ("steps/rotating.py", "from ledger.rotations import Held, claim, stand", "from ledger.rotations import Held, claim, stand, write"),
    ),
)  # fmt: skip

# Defects of our own design, beside those of rotation.md.
OURS = (
    _mutant(
        "sinks_not_read_again", "a sink that went back to the old value is not seen at the gate", GATE, "I1 I2",
        ("steps/publishing.py", "        if seen is False or (seen is None and sent != record.surviving_version):", "        if False:"),
    ),
    _mutant(
        "drift_not_repaired", "a projection that went back to the old value is left so", GATE, "I1 I2 I11",
        ("steps/publishing.py", "    if there != surviving.value:", "    if record.served_at is None:"),
    ),
    # Found by this search in our own engine.
    _mutant(
        "drift_not_noted", "what was put right before a crash shortens the overlap after it", GATE, "I2",
        ("steps/publishing.py", "    if held.record.served_at is not None:\n        write(held", "    if False:\n        write(held"),
    ),
    _mutant(
        "lost_alert", "a wait that needs someone raises no alert", WIDE, "I11",
        ("ledger/rotations.py", "    if not needs_someone(record.wait):\n", "    if record.wait is not Wait.HALTED:\n"),
    ),
    _mutant(
        "rollback_at_once", "a rollback does not wait for a call that is under way", GATE, "I1 I15",
        ("steps/rolling_back.py", "    if hands.ledger.now() < (calls_end :=", "    if not (calls_end :="),
    ),
    _mutant(
        "pointer_forgotten", "the vendor is not pointed to the new value", POINTED, "I1 I2",
        ("steps/rotation_hands.py", "if self.has_pointer else found", "if False else found"),
    ),
    _mutant(
        "not_found_by_value", "what has no marker is not found again by its value", POINTED, "I6 I10",
        ("steps/attempts.py", "    if not hands.manifest.found_by_value:\n", "    if True:\n"),
    ),
)  # fmt: skip

MUTANTS = {mutant.name: mutant for mutant in (*SEEDED, *OURS)}


class _MutatingLoader(SourceFileLoader):
    """Loads a module from its changed source, never from bytecode."""

    def __init__(self, fullname: str, path: str, edits: Sequence[Edit]) -> None:
        super().__init__(fullname, path)
        self._edits = edits

    def get_code(self, fullname: str) -> CodeType | None:  # noqa: ARG002 (the loader is of one module)
        source = Path(self.path).read_text(encoding="utf-8")
        for edit in self._edits:
            source = edit.applied(source)
        return compile(source, self.path, "exec", dont_inherit=True)


@dataclass(frozen=True, slots=True)
class _Mutating(MetaPathFinder):
    """Finds the modules that a mutant changes, before anybody else does."""

    mutant: Mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        edits = [edit for edit in self.mutant.edits if edit.file == f"{fullname.replace('.', '/')}.py"]
        spec = PathFinder.find_spec(fullname, path, target) if edits else None
        if spec is not None and spec.origin is not None:
            spec.loader = _MutatingLoader(fullname, spec.origin, edits)
        return spec


def check_edits(mutant: Mutant) -> None:
    """Raise LookupError where an edit does not fit the engine's source any more, in any order of its edits."""
    for edit in mutant.edits:
        edit.applied((ROOT / edit.file).read_text(encoding="utf-8"))


def main(name: str) -> int:
    mutant = MUTANTS.get(name)
    if mutant is not None:
        check_edits(mutant)
        changed = {edit.file.removesuffix(".py").replace("/", ".") for edit in mutant.edits}
        if early := changed & set(sys.modules):
            raise LookupError(f"{early} was imported before it could be changed")
        sys.meta_path.insert(0, _Mutating(mutant))
    # Imported here, because the engine must not be before it is changed.
    from tests.steps.rotation_search import DEFECT_SEEDS, Search, broken_by  # noqa: PLC0415

    broken = broken_by(Search(mutant.search), DEFECT_SEEDS) if mutant else broken_by(Search(name))
    sys.stdout.write(f"{broken.invariant}\n{broken}\n" if broken else "nothing broke\n")
    return NOTICED if broken else CLEAN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
