"""What people said of the times a part was DOWN: real trouble, or a false alarm. The last word stands; all are kept."""

from sqlalchemy import select

from domain.errors import BadInput
from domain.kms_history import Judged, SpellJudgement
from ledger import chain
from ledger.facts import SPELL_JUDGED, record_fact
from ledger.kms_schema import KMS_JUDGEMENTS, KMS_SPELLS
from ledger.opening import Ledger


def judge_spell(ledger: Ledger, run_id: str, spell: int, judged: Judged, *, who: str, note: str) -> None:
    """Record the judgement in place of the one in force.

    Raises:
        BadInput: there is no such spell.
    """
    kept = KMS_JUDGEMENTS.c
    with ledger.writing() as connection:
        chain.hold(connection)
        if not connection.execute(select(KMS_SPELLS.c.id).where(KMS_SPELLS.c.id == spell)).first():
            raise BadInput(
                f"There is no spell {spell}.", "Nothing was changed.", "opsflows kms status lists the last ones with their numbers."
            )  # fmt: skip
        ends = list(connection.execute(select(kept.seq).where(kept.spell == spell, kept.ended_seq.is_(None))).scalars())
        values = {"spell": spell, "judged": judged.value, "who": who, "note": note, "run_id": run_id}
        record_fact(ledger, connection, SPELL_JUDGED, values, ends=ends)


def judgements(ledger: Ledger) -> dict[int, SpellJudgement]:
    """Return the judgements in force, by spell."""
    kept = KMS_JUDGEMENTS.c
    with ledger.reading() as connection:
        rows = connection.execute(select(KMS_JUDGEMENTS).where(kept.ended_seq.is_(None)))
        return {row.spell: SpellJudgement(row.spell, Judged(row.judged), row.who, row.note, row.at) for row in rows}
