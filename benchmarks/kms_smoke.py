"""How long a smoke check takes beside its floor: `curl -s URL`, then `python -c pass`.

    python -m benchmarks.kms_smoke [--rounds 15]

Whole processes, one after the other, each way in each round. Over https the authority stands at the end of this machine's own store,
so that curl and Python both read the whole of it. Exits 1 where a bound does not hold, 2 where curl is missing.
"""

import argparse
import os
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme

AT_MOST = {"http": 3.5, "https": 5.0}
FLOOR = "curl -s; python -c pass"
_ROOT = Path(__file__).resolve().parents[1]
_PAGE = b'{"crypto_mode": "kms", "crypto_ready": true, "status": "ok"}'


class _Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(_PAGE)))
        self.end_headers()
        self.wfile.write(_PAGE)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the parameter's name is the standard library's)
        pass


@dataclass(slots=True)
class Way:
    """One way to look at the page: its programs, and how long they took together, round by round."""

    name: str
    programs: Sequence[Sequence[str]]
    took_s: list[float] = field(default_factory=list)

    @property
    def median_s(self) -> float:
        return statistics.median(self.took_s)


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _parser().parse_args(arguments)
    curl = shutil.which("curl")
    if curl is None:
        print("curl is not installed, so there is no floor to measure beside.", file=sys.stderr)
        return 2
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="opsflows-benchmark-")))
        authority = trustme.CA()
        store = _store_with(authority, folder / "store.pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        urls = {"http": stack.enter_context(_served()), "https": stack.enter_context(_served(context))}
        env = {**os.environ, "SSL_CERT_FILE": str(store), "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        measured = {scheme: _measured(_ways(url, curl, store), chosen.rounds, env) for scheme, url in urls.items()}
    return _tell(measured)


def _ways(url: str, curl: str, store: Path) -> list[Way]:
    python, opsflows = sys.executable, str(Path(sys.executable).with_name("opsflows"))
    asked = ["--base-url", url]
    return [
        Way(FLOOR, [[curl, "-s", "--noproxy", "*", "--cacert", str(store), f"{url}/healthz"], [python, "-c", "pass"]]),
        Way("python vendors/healthz.py", [[python, str(_ROOT / "vendors" / "healthz.py"), *asked]]),
        Way("opsflows kms-smoke", [[opsflows, "kms-smoke", *asked]]),
    ]


def _measured(ways: list[Way], rounds: int, env: Mapping[str, str]) -> list[Way]:
    for at in range(rounds + 1):
        for way in ways:
            started = time.perf_counter()
            for program in way.programs:
                subprocess.run(program, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=env)
            if at:  # the first round writes bytecode
                way.took_s.append(time.perf_counter() - started)
    return ways


def _store_with(authority: trustme.CA, file: Path) -> Path:
    own = ssl.get_default_verify_paths().cafile
    known = Path(own).read_bytes() if own else b""
    file.write_bytes(known + b"\n" + authority.cert_pem.bytes())
    return file


@contextmanager
def _served(context: ssl.SSLContext | None = None) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Healthy) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"{'https' if context else 'http'}://localhost:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def _tell(measured: Mapping[str, Sequence[Way]]) -> int:
    print(f"{'':<36}{'median':>9}{'range':>19}{'ratio':>8}{'at most':>9}")
    holds = True
    for scheme, ways in measured.items():
        floor = ways[0].median_s
        for way in ways:
            ratio = way.median_s / floor
            bound = "" if way.name == FLOOR else f"{AT_MOST[scheme]:.1f}"
            span = f"{_ms(min(way.took_s))} to {_ms(max(way.took_s))}"
            print(f"{scheme:<6} {way.name:<29}{_ms(way.median_s):>9}{span:>19}{ratio:>8.2f}{bound:>9}")
            holds = holds and ratio <= AT_MOST[scheme]
    return 0 if holds else 1


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kms_smoke", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="measured rounds, each way once in each")
    return parser


if __name__ == "__main__":
    sys.exit(main())
