"""An open alert as a line: what it says, and the command that goes on, which its key tells."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from domain.attention import Attention, Weight
from domain.names import DAY1_WIRING, KMS_SMOKE, RECONCILE, ROTATE, STEP_ROTATION, VERIFY_DUE, deployment_of
from domain.run_bounds import ENDS_WELL_WITHIN
from domain.run_watch import ALL_KEYS
from domain.seen_runs import PLANS_UNLESS_ASKED
from ledger.alerts import Alert

DOCTOR = "opsflows doctor"
# As runs over all environments have it in the ledger.
_NO_ENVIRONMENT = "-"


def line_of_alert(alert: Alert) -> Attention:
    """Return the line: what the alert said last, and who was to be told."""
    title, _, text = alert.text.partition(". ")
    told = (
        f"{alert.target} was told at {alert.sent_at:%Y-%m-%d %H:%M} UTC."
        if alert.sent_at
        else f"Nobody was told yet; it is for {alert.target}."
    )
    return Attention(
        key=alert.key,
        weight=Weight.NOW,
        environment=environment_of(alert.environment),
        what=f"{title.rstrip('.')}.",
        means=f"{text.strip()} {told}".strip(),
        by=alert.raised_at,
        command=_command(alert),
        runbook=alert.runbook,
    )  # fmt: skip


def environment_of(name: str) -> str:
    """Return the environment, empty where the fact concerns all of them."""
    return "" if name == _NO_ENVIRONMENT else name


def started_again(deployment: str, environment: str) -> str:
    """Return the command that starts again what a deployment does, "flow/deployment"; a look at opsflows itself where none is known."""
    where = environment_of(environment)
    return _AGAIN.get(deployment, _by_schedule)(deployment, where)


def deployment_named(short: str) -> str:
    """Return the scheduled deployment of that name, "flow/deployment"; the name twice where it is none."""
    return next((name for name in ENDS_WELL_WITHIN if name.partition("/")[2] == short), f"{short}/{short}")


def _command(alert: Alert) -> str:
    kind, _, rest = alert.key.partition(":")
    if alert.key.startswith(ALL_KEYS):
        # deployment:NAME:KIND:SUBJECT
        return started_again(deployment_named(rest.split(":")[0]), alert.environment)
    return _BY_KIND.get(kind, _no_more)(alert, rest)


def _no_more(_alert: Alert, _rest: str) -> str:
    return DOCTOR


def _of_run(alert: Alert, rest: str) -> str:
    """A run's id is its flow, the moment and eight digits, joined by dashes."""
    return started_again(deployment_of(rest.rsplit("-", 2)[0]), alert.environment)


def _of_rotation(_alert: Alert, rest: str) -> str:
    return f"opsflows rotation show {rest.split(':', maxsplit=1)[0]}"


def _of_credential(alert: Alert, rest: str) -> str:
    return f"opsflows adopt {rest}" if alert.key.startswith("drift:") else f"opsflows rotate {rest} --ticket TICKET"


def _of_foreign(_alert: Alert, rest: str) -> str:
    # What it is only a person finds out; opsflows rotations says which markers are ours.
    return f"opsflows rotations --credential {rest}"


def _of_question(_alert: Alert, rest: str) -> str:
    return f"opsflows confirm {rest} --seen --by NAME"


def _of_kms(_alert: Alert, rest: str) -> str:
    environment, target = rest.split(":")[:2]
    return f"opsflows kms check {target} --environment {environment}"


def _of_month(_alert: Alert, rest: str) -> str:
    environment, _, subject = rest.partition(":")
    return investigating(environment, *subject.split(" ", 1))


def start_of(deployment: str) -> str:
    """Return the command that makes a deployment do what its schedule does: a form that nobody touched may only plan."""
    return f"opsflows run {deployment.partition('/')[2]}{' --apply' if deployment in PLANS_UNLESS_ASKED else ''}"


def investigating(environment: str, target: str, month: str) -> str:
    """Return the command that puts somebody on a month's finding."""
    return f"opsflows investigate --month {month} --environment {environment} --integration {target} --owner NAME --due YYYY-MM-DD"


def _of_verification(alert: Alert, rest: str) -> str:
    target = rest.partition(":")[2]
    return f"opsflows verify {'' if target == 'platform' else f'{target} '}--environment {alert.environment}"


def _of_compromise(_alert: Alert, _rest: str) -> str:
    return "opsflows rotations --open"


_BY_KIND: Mapping[str, Callable[[Alert, str], str]] = MappingProxyType(
    {
        "run": _of_run,
        "rotation": _of_rotation,
        "age": _of_credential,
        "drift": _of_credential,
        "foreign": _of_foreign,
        "question": _of_question,
        "kms": _of_kms,
        "reconciliation": _of_month,
        "verify": _of_verification,
        "compromise": _of_compromise,
    }
)


def _by_schedule(deployment: str, _environment: str) -> str:
    return start_of(deployment) if deployment in ENDS_WELL_WITHIN else DOCTOR


def _day_one(_deployment: str, environment: str) -> str:
    return f"opsflows wire --environment {environment}" if environment else DOCTOR


def _verify(deployment: str, environment: str) -> str:
    return f"opsflows verify --environment {environment}" if environment else _by_schedule(deployment, environment)


def _check_kms(_deployment: str, environment: str) -> str:
    return f"opsflows kms check{f' --environment {environment}' if environment else ''}"


def _reconcile(deployment: str, environment: str) -> str:
    return (
        f"opsflows reconcile --month YYYY-MM --environment {environment}"
        if environment
        else _by_schedule(deployment, environment)
    )


def _rotations(_deployment: str, _environment: str) -> str:
    return "opsflows rotations --open"


_AGAIN: Mapping[str, Callable[[str, str], str]] = MappingProxyType(
    {
        DAY1_WIRING: _day_one,
        VERIFY_DUE: _verify,
        "verify/verify": _verify,
        KMS_SMOKE: _check_kms,
        RECONCILE: _reconcile,
        ROTATE: _rotations,
        STEP_ROTATION: _rotations,
    }
)
