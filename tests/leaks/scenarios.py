"""What is lived through: every flow and the verifier, in success and in every failure, with secrets wherever they can be."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.variables import Variable
from sqlalchemy import delete

from blocks.store import load_values, save_values
from deployments.apply import converge
from domain.names import REHEARSAL, Target
from flows.confirm_a_step import confirm_a_step
from flows.sweep_what_is_due import sweep_what_is_due
from flows.verify_what_is_due import verify_what_is_due
from flows.wire_day_one import wire_day_one
from ledger.questions import open_questions
from ledger.schema import ALERTS, VERIFICATIONS
from ledger.wiring import go_live, note
from steps.audited_run import audited_run, open_own_ledger
from steps.conduct import stand_ins_url
from tasks.preparing import context_of, own_ledger, read_own_config
from tests.leaks.canaries import from_file, malformed, secrets_in
from tests.leaks.checking import (
    ENVIRONMENT,
    TARGET,
    WRAPPED,
    check_everything,
    check_under,
    moments_secrets,
    wrapped_digits,
)
from tests.leaks.checking import sections_of as kms_sections_of
from tests.leaks.reconciling import reconcile_everything, reconcile_under, reconciled_month, sections_of
from tests.leaks.rotating import fail_everywhere, minted, rotate_everything
from tests.leaks.sinks import KUBECONFIG, sink_sections
from tests.leaks.world import (
    BACKEND_TOKEN,
    FAULTS,
    LEAKED,
    LIVE,
    LIVE_PLATFORMS,
    PASSWORD,
    Control,
    Kept,
    Place,
    write_configurations,
)
from vendors.capabilities import checked_values
from vendors.registry import EVERY, INTEGRATIONS

_ROOT = Path(__file__).parents[2]
_WHO: dict[str, Any] = {"operator": "a test", "ticket": "T-1", "reason": "to see what is left behind", "mode": "apply"}
_CONFIG = "OPSFLOWS_CONFIG"


def main() -> None:
    """Live through all of it, and keep what each part came to and which secrets there were."""
    place = Place(Path(sys.argv[1]))
    control = Control(stand_ins_url())
    sections = sink_sections(place, control) + sections_of(place) + kms_sections_of(place, control)
    patient, short = write_configurations(place, control, sections)
    # A heartbeat makes each run wait a second for its thread.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        os.environ[_CONFIG] = str(patient)
        outcomes = {"plan": _named(wire_day_one(**{**_WHO, "mode": "plan"}, return_state=True))}
        stored = load_values(INTEGRATIONS["slack"], Target("slack"), REHEARSAL)
        outcomes["blocks after the plan"] = "some" if stored else "none"
        converge()
        outcomes["rehearsal"] = _named(wire_day_one(**_WHO, return_state=True))
        saved = secrets_in(load_values(INTEGRATIONS["slack"], Target("slack"), REHEARSAL) or {})
        given = control.credentials()
        _store(given)
        outcomes |= _day_one_for_real()
        outcomes["sweep"] = _named(sweep_what_is_due(return_state=True))
        outcomes |= reconcile_everything()
        outcomes |= check_everything(control)
        # Before a rotation revokes what it is verified with, and with time to confirm: the stand-ins index with a delay.
        outcomes["cli mock"] = str(_opsflows(["verify", "--mode", "mock", "--json"], {}))
        outcomes |= rotate_everything(control)
        made = minted()
        os.environ[_CONFIG] = str(short)
        outcomes |= _failing(control)
        outcomes |= fail_everywhere(control)
        # One of them is retired by a command.
        moments = moments_secrets(control)
        outcomes |= _from_the_command_line(place)
        outcomes["a bug of ours"] = _named(_a_bug_of_ours(return_state=True))
        _leak_on_purpose(LEAKED, return_state=True)
        made |= minted()
        moments |= moments_secrets(control)
    canaries = {**_canaries(control, given, saved), **made}
    # What has two names is looked for once.
    once = {value: name for name, value in canaries.items()}
    place.keep(Kept(outcomes, {name: value for value, name in once.items()}, given, made, control.asked(), moments))


def _canaries(control: Control, given: Mapping[str, Mapping[str, str]], saved: Mapping[str, str]) -> dict[str, str]:
    return {
        **{f"{name} of the stand-ins": text for values in given.values() for name, text in secrets_in(values).items()},
        **{f"{name} minted in step 27": text for name, text in saved.items()},
        **{f"{name} from a file": text for name, text in secrets_in(from_file()).items()},
        **{f"{name} malformed": text for name, text in secrets_in(malformed()).items()},
        "token of the service": control.backend()[BACKEND_TOKEN],
        "text of the wrapped key": WRAPPED,
        "token of the cluster": json.loads(control.cluster()[KUBECONFIG])["users"][0]["user"]["token"],
        "password of proxy and database": PASSWORD,
        "login of the Prefect API": os.environ["PREFECT_API_AUTH_STRING"],
        "encryption key": os.environ["PREFECT_SERVER_ENCRYPTION_KEY"],
        "fingerprint key": Path(os.environ["OPSFLOWS_FINGERPRINT_KEY_FILE"]).read_text().strip(),
    }


def _store(given: Mapping[str, Mapping[str, str]]) -> None:
    """Save the stand-ins' credentials as those of real environments; once Slack's webhook alone, so that people are asked."""
    for name, values in given.items():
        if name in (*INTEGRATIONS, *LIVE_PLATFORMS):
            save_values(EVERY[name], Target(name), LIVE, values)
        unread = {"SLACK_WEBHOOK_URL": values["SLACK_WEBHOOK_URL"]} if name == "slack" else values
        save_values(EVERY[name], Target(name), "staging", unread)


def _day_one_for_real() -> dict[str, str]:
    real: dict[str, Any] = {**_WHO, "environment": "staging", "wiring_mode": "real_all"}
    outcomes = {"real": _named(wire_day_one(**real, return_state=True))}
    ledger = open_own_ledger()
    try:
        asked = open_questions(ledger, "staging")
    finally:
        ledger.close()
    for question in asked:
        outcomes[f"answer {question.id}"] = _named(confirm_a_step(question.id, "seen", "a test", return_state=True))
    outcomes["no such question"] = _named(confirm_a_step(999, "seen", "a test", return_state=True))
    outcomes["no such environment"] = _named(wire_day_one(**{**real, "environment": "moon"}, return_state=True))
    return outcomes


def _failing(control: Control) -> dict[str, str]:
    """Break all stand-ins in one way after the other, and let a live environment come due under each."""
    outcomes: dict[str, str] = {}
    for fault in FAULTS:
        _let_a_day_pass()
        control.break_with(fault)
        outcomes[f"due {fault.name}"] = _named(verify_what_is_due(return_state=True))
        outcomes |= reconcile_under(fault.name)
        outcomes |= check_under(fault.name)
        if fault.name in {"echo401", "reset"}:
            real: dict[str, Any] = {**_WHO, "environment": LIVE, "wiring_mode": "real_all"}
            outcomes[f"real {fault.name}"] = _named(wire_day_one(**real, return_state=True))
            outcomes[f"sweep {fault.name}"] = _named(sweep_what_is_due(return_state=True))
        control.mend()
    return outcomes


def _let_a_day_pass() -> None:
    """Make the live environment due, and its alerts unsent, as they would be tomorrow."""
    ledger = open_own_ledger()
    try:
        go_live(ledger, LIVE, datetime.now(UTC).date() - timedelta(days=1), "a test")
        with ledger.writing() as connection:
            connection.execute(delete(VERIFICATIONS))
            connection.execute(delete(ALERTS))
    finally:
        ledger.close()


def _from_the_command_line(place: Place) -> dict[str, str]:
    """Verify and import from files: refused values, well-formed values that nobody knows, a proxy and a database with passwords."""
    unknown = place.write_env_file("unknown.env", from_file())
    refused = place.write_env_file("malformed.env", malformed())
    login = f"ops:{quote(PASSWORD, safe='')}"
    far = {"HTTPS_PROXY": f"http://{login}@127.0.0.1:9"}
    broken = {"HTTPS_PROXY": f"http://ops:{PASSWORD}@127.0.0.1:9"}
    lost = {"OPSFLOWS_DATABASE_URL": f"postgresql://{login}@127.0.0.1:9/opsflows"}
    commands: list[tuple[str, list[str], dict[str, str]]] = [
        ("cli malformed", ["verify", "--env-file", str(refused)], {}),
        ("cli import malformed", ["blocks", "import", str(refused), "--environment", "far"], {}),
        ("cli import", ["blocks", "import", str(unknown), "--environment", "far"], {}),
        ("cli far", ["verify", "--environment", "far"], far),
        ("cli broken proxy", ["verify", "--environment", "far"], broken),
        ("cli lost ledger", ["verify", "--mode", "mock"], lost),
        ("cli adopt", ["adopt", "datadog-default-far-send"], far),
    ]
    told = {name: str(_opsflows(arguments, extra)) for name, arguments, extra in commands}
    return told | _one_after_the_other(place)


def _one_after_the_other(place: Place) -> dict[str, str]:
    """Run what needs no process of its own in one; the audit last, of all that was left."""
    month = ["--month", str(reconciled_month()), "--environment", "staging"]
    soon = f"{datetime.now(UTC) + timedelta(days=9):%Y-%m-%d}"
    # The wrapped key, since the version in use is not retired.
    by, golden = (
        ["--by", "a test"],
        ["--file", wrapped_digits(place), "--environment", ENVIRONMENT, "--reason", "a test"],
    )
    commands = {
        "cli rotations": ["rotations"],
        "cli rotate": ["rotate", "datadog", "--environment", "far", "--apply", "--no-follow"],
        "cli freeze": ["freeze", "a test"],
        "cli reconcile": ["reconcile", *month, "--json"],
        "cli waive": ["waive", "reconciliation", "sentry", *month, "--until", soon, "--reason", "a test", *by],
        "cli waivers": ["waivers"],
        "cli investigate": ["investigate", *month, "--integration", "datadog", "--due", soon, "--note", "why?", *by],
        "cli sign-off": ["sign-off", *month, "--note", "read", *by],
        "cli kms check": ["kms", "check", "--environment", ENVIRONMENT, *by],
        "cli kms check again": ["kms", "check", TARGET, "--environment", ENVIRONMENT, *by],
        "cli kms status": ["kms", "status"],
        "cli kms goldens": ["kms", "goldens"],
        "cli kms judge": ["kms", "judge", "1", "false-alarm", *by],
        "cli kms retire-golden": ["kms", "retire-golden", TARGET, "main", *golden, *by],
        "cli kms-smoke": ["kms-smoke", "--base-url", f"{stand_ins_url()}/backend", "--verbose"],
        "cli metrics": ["metrics", "--textfile", str(place.root / "out" / "kms.prom")],
        "cli sample-events": ["sample-events", "--month", str(reconciled_month())],
        "cli audit": ["audit", "verify"],
    }
    file = place.root / "commands.json"
    file.write_text(json.dumps(commands))
    subprocess.run([sys.executable, "-m", "tests.leaks.commanding", str(file)], cwd=_ROOT, check=True, timeout=240)
    return {name: str(code) for name, code in json.loads(file.read_text()).items()}


def _opsflows(arguments: list[str], extra: Mapping[str, str]) -> int:
    """Run the command with our own output, so that what it prints is searched; return its exit code."""
    program = str(Path(sys.executable).with_name("opsflows"))
    return subprocess.run(
        [program, *arguments], cwd=_ROOT, env={**os.environ, **extra}, check=False, timeout=60
    ).returncode


@flow(name="a-bug-of-ours", persist_result=False)
def _a_bug_of_ours() -> None:
    """Fail where secrets are in reach of every frame: what Prefect tells of it must not hold their values."""
    with own_ledger() as ledger, audited_run(
        ledger, flow="a-bug-of-ours", environment="staging", mode="apply", actor="a test", reason="to fail", parameters={}
    ) as run:  # fmt: skip
        context = context_of(run, read_own_config(), "staging", frozenset())
        clients = {name: _client(name, context.credentials, context) for name in EVERY}
        raise LookupError(f"{len(clients)} clients and their context: {clients} {context}")


def _client(name: str, credentials: Callable[[Target], Mapping[str, str] | None], context: Any) -> object:
    integration = EVERY[name]
    values = checked_values(integration, credentials(Target(name)) or {})
    return integration.connect(values, context.addresses.get(name), context.conduct)


@flow(name="leak-on-purpose", persist_result=True)
def _leak_on_purpose(value: str) -> str:
    """Put a value wherever a value must not be: the control that proves the search."""
    get_run_logger().info("logged %s", value)
    sys.stdout.write(f"printed {value}\n")
    # Long enough to be seen; the shell does not replace itself by the last command.
    command = ["sh", "-c", "sleep 0.3; true", value]
    subprocess.run(command, check=True, env={"PATH": os.environ["PATH"], "LEAKED": value})
    create_markdown_artifact(markdown=f"shown {value}", key="leak-on-purpose")
    Variable.set("leak_on_purpose", value)
    with own_ledger() as ledger, audited_run(
        ledger, flow="leak-on-purpose", environment="staging", mode="apply", actor="a test", reason="to leak", parameters={}
    ) as run:  # fmt: skip
        run.bundle.write("leak.md", value)
        note(ledger, "staging", value, "a test")
    _raise_on_purpose(value, return_state=True)
    return value


@flow(name="raise-on-purpose")
def _raise_on_purpose(value: str) -> None:
    raise ValueError(value)


def _named(state: State[Any]) -> str:
    return f"{state.type.value} {state.name}"


if __name__ == "__main__":
    main()
