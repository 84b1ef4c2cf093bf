"""Which services a smoke check looks at, which of them a run that comes late has nothing to add to, and whom nobody asked again."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from domain.config import Config, EnvironmentKind
from domain.errors import BadInput
from domain.kms_standing import COUNTS_FOR
from ledger.kms_checks import answers_due, last_check
from ledger.opening import Ledger

# In place of names: every one that there is.
EVERY = "all"
# From here on a run is late, and looks whether another one came first. Prefect's own delays are below it.
LATE_AFTER = timedelta(minutes=2)
# How many signs the names of one run's targets may have together.
NAMES_LENGTH = 2000


def chosen_targets(config: Config, environment: str, targets: str) -> dict[str, list[str]]:
    """Return the names of the targets to check, by environment.

    `all` is every target outside the rehearsal, and with an environment every target of it. Otherwise names, with commas between
    them; the rehearsal's may be among them.

    Raises:
        BadInput: a name is not declared, or stands in another environment; nothing was checked.
    """
    wanted = [name.strip() for name in targets.split(",") if name.strip()]
    if environment != EVERY:
        config.environment(environment)
    chosen = _every(config, environment) if wanted == [EVERY] else _named(config, environment, wanted)
    by_environment: dict[str, list[str]] = {}
    for name in chosen:
        by_environment.setdefault(config.kms[name].environment, []).append(name)
    return by_environment


def not_checked_since(ledger: Ledger, environment: str, names: Iterable[str], scheduled: datetime) -> list[str]:
    """Return the targets that a run scheduled for that moment still has something to say about.

    A run that starts late adds nothing to a target that was checked since its moment: so a queue of runs that nobody took for
    hours comes to one check of each. A target that was not is checked, however late the run.
    """
    if ledger.now() - scheduled < LATE_AFTER:
        return list(names)
    last = {name: last_check(ledger, environment, name) for name in names}
    return [name for name, check in last.items() if check is None or check.at < scheduled]


def not_asked_again(ledger: Ledger, config: Config) -> dict[str, dict[str, datetime]]:
    """Return the declared targets that wait for another answer and that nobody asks, by environment, with the last answer's moment.

    The run that should have scheduled the next check a minute later was killed, or had nobody to schedule it with. An answer that
    is too old to count is left to the next scheduled check. The rehearsal is asked by whoever rehearses.
    """
    now = ledger.now()
    live = _every(config, EVERY)
    found: dict[str, dict[str, datetime]] = {}
    for (environment, name), at in answers_due(ledger, now - COUNTS_FOR, now - LATE_AFTER).items():
        if name in live and config.kms[name].environment == environment:
            found.setdefault(environment, {})[name] = at
    return found


def fitting(names: Iterable[str]) -> Iterator[list[str]]:
    """Yield the names in as few lists as one run's parameter has room for each."""
    held: list[str] = []
    for name in names:
        if held and len(",".join([*held, name])) > NAMES_LENGTH:
            yield held
            held = []
        held.append(name)
    if held:
        yield held


def _every(config: Config, environment: str) -> list[str]:
    if environment != EVERY:
        return [name for name, target in config.kms.items() if target.environment == environment]
    live = {name for name, row in config.environments.items() if row.kind is not EnvironmentKind.REHEARSAL}
    return [name for name, target in config.kms.items() if target.environment in live]


def _named(config: Config, environment: str, wanted: list[str]) -> list[str]:
    there = [name for name, target in config.kms.items() if environment in {EVERY, target.environment}]
    unknown = [name for name in wanted if name not in there]
    if unknown or not wanted:
        where = "opsflows.toml" if environment == EVERY else f"{environment} in opsflows.toml"
        raise BadInput(
            f"{', '.join(unknown) or 'Nothing'} is no [kms.<target>] of {where}.",
            "Nothing was checked.",
            f"Declared there: {', '.join(there) or 'nothing'}.",
        )
    return list(dict.fromkeys(wanted))
