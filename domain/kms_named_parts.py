"""Which parts a check of a target has, by what opsflows.toml says of it: what is not configured is no part."""

from domain.kms_checks import PartKind, part_name
from domain.kms_sections import KmsKeySection, KmsTarget

_OF_A_KEY = (
    PartKind.VERSIONS, PartKind.ROTATION, PartKind.CANARY, PartKind.DRIFT, PartKind.GOLDEN, PartKind.NEGATIVE,
)  # fmt: skip


def kinds_of(section: KmsKeySection) -> tuple[PartKind, ...]:
    """Return what is looked at of such a key; replicas only where it has any."""
    return (*_OF_A_KEY, PartKind.REPLICA) if section.replicas else _OF_A_KEY


def named_parts(target: KmsTarget) -> tuple[str, ...]:
    """Return the names of the target's parts, whether or not any of them was ever seen."""
    service = ((PartKind.HEALTH, target.base_url), (PartKind.APPLICATION, target.application))
    return (
        *(part_name(kind) for kind, said in service if said),
        *(part_name(kind, name) for name, section in target.keys.items() for kind in kinds_of(section)),
    )
