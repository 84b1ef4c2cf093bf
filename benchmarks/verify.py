"""How long verification takes beside a bare httpx thread pool, and what the command costs over the vendor's own time.

    python -m benchmarks.verify [--targets 6 200] [--rounds 7] [--runs 15] [--servers 2] [--workers 256]

Stand-ins run in processes of their own, answer after 100 ms and index at once. Verification goes through the code that
operators run: a ledger, intents, a bundle with its evidence, judged and sealed. Exits 1 where a bound does not hold.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from benchmarks.floor import Chain, chains, floors
from domain.config import Config, Verify, parse_config
from domain.exchanges import Exchange
from domain.names import REHEARSAL, Target
from domain.verdicts import Verdict
from ledger.opening import Ledger
from steps.audited_run import audited_run, open_own_ledger
from steps.clock import Clock
from steps.conduct import STAND_INS_URL, conduct_for
from steps.context import Context, pace_of
from steps.reports import verification_report
from steps.routine import conclude_verification
from steps.stand_ins_process import started_stand_ins
from steps.verifying import new_nonce, verify_in_batches
from vendors.registry import INTEGRATIONS

ANSWER_S = 0.1
AT_MOST_RATIO = 1.3
AT_MOST_OVER_S = 0.5
FEW = len(INTEGRATIONS)
MANY = 200


@dataclass(frozen=True, slots=True)
class Stage:
    """Running stand-ins; each vendor is asked at one of them."""

    url_of: Mapping[str, str]
    credentials: Mapping[str, Mapping[str, str]]

    def control(self, vendor: str, method: str, path: str, fields: object = None) -> Any:
        url = f"{self.url_of[vendor]}/_control/{vendor}/{path}"
        answer = httpx.request(method, url, json=fields, trust_env=False).raise_for_status()
        return answer.json()

    def begin(self, answer_s: float) -> None:
        """Forget everything that was sent; answer after `answer_s` from now on, index at once, and limit nobody."""
        for vendor in self.url_of:
            self.control(vendor, "POST", "reset")
            self.control(vendor, "POST", "actions/set_indexing_delay", {"seconds": 0})
            if vendor == "statuspage":  # its stand-in keeps the published limit, and many targets share one key here
                self.control(vendor, "POST", "actions/set_rate_limit", {"calls": 0})
            if answer_s:
                self.control(vendor, "POST", "faults", {"times": -1, "delay_s": answer_s})


@dataclass(slots=True)
class Row:
    """One line of the table: how long each way took, round by round."""

    what: str
    requests: int
    ours: list[float] = field(default_factory=list)
    asked: set[int] = field(default_factory=set)  # how many requests ours made: more where it had to look twice
    floors: dict[str, list[float]] = field(default_factory=dict)

    @property
    def fastest(self) -> str:
        return min(self.floors, key=lambda name: statistics.median(self.floors[name]))

    @property
    def ratio(self) -> float:
        return statistics.median(self.ours) / statistics.median(self.floors[self.fastest])


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="opsflows-benchmark-") as home, _stage(chosen.servers) as stage:
        os.environ |= {"OPSFLOWS_HOME": home, STAND_INS_URL: stage.url_of["slack"]}
        rows = [_beside_floor(count, chosen.workers, chosen.rounds, stage) for count in chosen.targets]
        over = _command_over_vendor(chosen.runs, stage)
    _tell(rows, over)
    holds = [row.ratio <= AT_MOST_RATIO for row in rows] + [statistics.median(over) <= AT_MOST_OVER_S if over else True]
    return 0 if all(holds) else 1


@contextmanager
def _stage(servers: int) -> Iterator[Stage]:
    with ExitStack() as stack:
        urls = [stack.enter_context(started_stand_ins()).url for _ in range(servers)]
        url_of = {vendor: urls[at % servers] for at, vendor in enumerate(INTEGRATIONS)}
        given = Stage(url_of, {})
        found = {vendor: given.control(vendor, "GET", "credentials") for vendor in url_of}
        yield replace(given, credentials=found)


def _beside_floor(count: int, workers: int, rounds: int, stage: Stage) -> Row:
    config, targets = _scope(count, workers)
    ledger = open_own_ledger()
    made = _recorded(ledger, config, targets, stage)
    row = Row(f"{count} integrations, {len(made)} probes", sum(len(chain) for chain in made))

    def ours() -> None:
        row.asked.add(len(_verify(ledger, config, targets, stage)))

    ways: dict[str, Callable[[], None]] = {"ours": ours}
    side_by_side = min(workers, len(made))
    ways |= {name: _replay(floor, made, side_by_side) for name, floor in floors(side_by_side).items()}
    for at in range(rounds + 1):
        for name, way in ways.items():
            stage.begin(ANSWER_S)
            started = time.perf_counter()
            way()
            took = time.perf_counter() - started
            if at:  # the first round pays for what is compiled and cached once per process
                (row.ours if name == "ours" else row.floors.setdefault(name, [])).append(took)
    ledger.close()
    return row


def _recorded(ledger: Ledger, config: Config, targets: Sequence[Target], stage: Stage) -> list[Chain]:
    """Verify once, one probe after the other, and return what was asked of the stand-ins."""
    stage.begin(0)
    one_by_one = config.model_copy(update={"verify": config.verify.model_copy(update={"workers": 1})})
    seen = _verify(ledger, one_by_one, targets, stage)
    journals = {vendor: stage.control(vendor, "GET", "requests") for vendor in stage.url_of}
    return chains(seen, journals, stage.url_of)


def _verify(ledger: Ledger, config: Config, targets: Sequence[Target], stage: Stage) -> list[Exchange]:
    """Do what `opsflows verify --mode mock` does between the imports and the printing."""
    seen: list[Exchange] = []
    with audited_run(
        ledger, flow="verify", environment=REHEARSAL, mode="mock", actor="benchmark", reason="benchmark", parameters={}
    ) as run:

        def record(exchange: Exchange) -> None:
            run.record(exchange)
            seen.append(exchange)

        context = Context(
            ledger, run.run_id, "benchmark", REHEARSAL, config, INTEGRATIONS,
            lambda target: stage.credentials[target.integration],
            {vendor: f"{url}/{vendor}" for vendor, url in stage.url_of.items()},
            conduct_for(config, REHEARSAL, record), Clock(now=ledger.now), pace_of(config), new_nonce,
        )  # fmt: skip
        results = [result for batch in verify_in_batches(context, targets) for result in batch]
        verified = conclude_verification(context, results, str(run.bundle.folder))
        run.conclude(verified.judgement, verification_report(REHEARSAL, results, verified.judgement, verified.cause))
    assert verified.judgement.verdict is Verdict.GREEN, run.report
    return seen


def _replay(floor: Callable[[Iterable[Chain], int], None], made: list[Chain], workers: int) -> Callable[[], None]:
    return lambda: floor(made, workers)


def _scope(count: int, workers: int) -> tuple[Config, list[Target]]:
    """Return `count` targets, the vendors in turn: the first of each vendor is its default instance."""
    names = list(INTEGRATIONS)
    targets = [Target(names[at % FEW], *([f"i{at // FEW}"] if at >= FEW else [])) for at in range(count)]
    in_scope = json.dumps([str(target) for target in targets])
    text = f'[verify]\nworkers = {workers}\n[environments.rehearsal]\nkind = "rehearsal"\nin_scope = {in_scope}\n'
    return parse_config(text, "the benchmark's configuration", INTEGRATIONS), targets


def _command_over_vendor(runs: int, stage: Stage) -> list[float]:
    """Return, run by run, how many seconds `opsflows verify slack` took beyond what its evidence says Slack took."""
    command = [str(Path(sys.executable).with_name("opsflows")), "verify", "slack", "--mode", "mock", "--json"]
    # From the second start on the code is there as bytecode, unless someone told Python not to write any.
    env = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = str(Path(os.environ["OPSFLOWS_HOME"], "bytecode"))
    over = []
    for at in range(runs + 1 if runs else 0):
        stage.begin(ANSWER_S)
        started = time.perf_counter()
        told = subprocess.run(command, capture_output=True, check=True, text=True, env=env).stdout
        took = time.perf_counter() - started
        lines = (Path(json.loads(told)["bundle"]) / "evidence.jsonl").read_text().splitlines()
        if at:
            over.append(took - sum(json.loads(line)["ms"] for line in lines) / 1000)
    return over


def _tell(rows: Iterable[Row], over: Sequence[float]) -> None:
    print(f"{'':<38}{'requests':>9}{'ours':>9}{'floor':>9}  {'floor is':<20}{'ratio':>7}{'at most':>9}")
    for row in rows:
        floor = statistics.median(row.floors[row.fastest])
        print(
            f"{row.what:<38}{row.requests:>9}{_ms(statistics.median(row.ours)):>9}{_ms(floor):>9}  {row.fastest:<20}"
            f"{row.ratio:>7.2f}{AT_MOST_RATIO:>9}"
        )
        others = {name: statistics.median(took) for name, took in row.floors.items() if name != row.fastest}
        told = "".join(f"; {name} {_ms(took)}" for name, took in others.items())
        made = " or ".join(str(count) for count in sorted(row.asked))
        print(f"  ours {_span(row.ours)}, {made} requests; floor {_span(row.floors[row.fastest])}{told}")
    if over:
        print(
            f"{'opsflows verify slack, whole process':<38}{_ms(statistics.median(over))} over the vendor's own time "
            f"({_span(over)}, {len(over)} runs), at most {_ms(AT_MOST_OVER_S)}"
        )


def _span(took: Sequence[float]) -> str:
    return f"{_ms(min(took))} to {_ms(max(took))}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verify", description=__doc__.splitlines()[0])
    parser.add_argument("--targets", type=int, nargs="*", default=[FEW, MANY], help="how many integrations")
    parser.add_argument("--rounds", type=int, default=7, help="measured rounds of ours and of each floor, in turn")
    parser.add_argument("--runs", type=int, default=15, help="measured runs of the command; 0 leaves it out")
    parser.add_argument("--servers", type=int, default=2, help="processes that stand in, the vendors spread over them")
    parser.add_argument("--workers", type=int, default=Verify().workers, help="probes side by side")
    return parser


if __name__ == "__main__":
    sys.exit(main())
