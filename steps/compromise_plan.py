"""A case as it is planned: what is exposed, what would happen to it, what a person must do. Nothing is changed for it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from domain.compromise import Case, Exposure, Isolation
from domain.names import Credential
from steps.compromise import Suspect
from steps.compromise_findings import utc
from steps.rotation_plan import PlanRow


def plan_lines(
    found: Iterable[Suspect], plans: Mapping[Credential, PlanRow], *, isolates: bool
) -> list[dict[str, str]]:
    """Return the plan as a table: a row for each credential of the scope, in the order in which it would be replaced."""
    rows = []
    for one in found:
        plan = plans.get(one.credential)
        person = [*(one.person if one.is_exposed else ()), *(plan.problems if plan else ())]
        rows.append(
            {
                "credential": str(one.credential),
                "exposed": f"{one.exposure.value}: {one.why}",
                "can be isolated": f"{one.isolation.value}: {one.because}" if one.is_exposed else "-",
                "isolated first": _isolated_first(one, isolates=isolates),
                "would": "; ".join(plan.would) if plan else "nothing",
                "seen": "; ".join(plan.seen) if plan else "-",
                "what a person must do": " ".join(person) or "nothing",
            }
        )
    return rows


def plan_page(case: Case, found: Sequence[Suspect], rows: Iterable[Mapping[str, str]]) -> str:
    """Return plan.md: what the case would do, what stands apart, and a section for each credential."""
    lines = [
        f"# Plan for {case.ticket} (case {case.id})",
        "",
        "Nothing was sent that anybody would notice, and nothing was changed.",
        "",
    ]
    lines += [f"Values minted until {utc(case.compromised_at)} count as exposed: {exposed_count(found)}.", ""]
    lines += [line for told in _channels(found) for line in (told, "")]
    for row in rows:
        (_, name), *rest = row.items()
        lines += [f"## {name}", "", *(f"- {key}: {value}" for key, value in rest), ""]
    return "\n".join(lines)


def exposed_count(found: Iterable[Suspect]) -> str:
    exposures = [one.exposure for one in found]
    return f"{exposures.count(Exposure.EXPOSED)} of {len(exposures)} credentials of the scope"


def _channels(found: Iterable[Suspect]) -> Iterator[str]:
    """Yield for each environment whose alerts go out through something exposed what that means for it."""
    channels = [one.credential for one in found if one.is_exposed and one.is_channel]
    for environment in dict.fromkeys(one.environment for one in channels):
        own = [one for one in channels if one.environment == environment]
        targets = list(dict.fromkeys(str(one.target) for one in own))
        which = "Both alert channels" if len(targets) > 1 else "An alert channel"
        yield (
            f"{which} of {environment} ({', '.join(targets)}): in the scope, so replaced last, one credential at a time and never switched off first: "
            f"{', '.join(map(str, own))}. The next one waits until the one before it has a new value that was proven and is in use."
        )


def _isolated_first(suspect: Suspect, *, isolates: bool) -> str:
    if not suspect.is_exposed or suspect.isolation is Isolation.NO:
        return "no"
    return suspect.isolation.value if isolates else "no: not asked for"
