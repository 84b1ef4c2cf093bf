"""The stand-ins as a program: prints one JSON line with its ports when it is ready, then serves until told to stop."""

import argparse
import contextlib
import json
import os
import signal
import socket
import ssl
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from mocks.app import build, found_stand_ins
from mocks.grpc_port import GrpcPort
from mocks.keeping import UnreadableStateFile
from mocks.serving import Server, listening_socket, port_of
from mocks.tls import ThrowAwayAuthority

EXIT_USAGE = 2


@dataclass(frozen=True, slots=True)
class _Ports:
    plain: socket.socket
    encrypted: socket.socket | None
    grpc: socket.socket


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _parser().parse_args(arguments)
    try:
        app = build(chosen.state)
        plain = listening_socket(chosen.host, chosen.port)
        encrypted = listening_socket(chosen.host, chosen.tls_port) if chosen.tls else None
        for_grpc = listening_socket(chosen.host, chosen.grpc_port)
    except UnreadableStateFile as problem:
        return _refuse(str(problem))
    except OSError as problem:
        return _refuse(f"The stand-ins cannot start on {chosen.host}: {problem}. Choose another port or host.")
    with contextlib.ExitStack() as stack:
        context, ca_file = stack.enter_context(_authority(chosen.name)) if chosen.tls else (None, None)
        server = Server(
            app,
            grpc_port=GrpcPort(app.world, for_grpc, _origin(chosen.host, port_of(plain))),
            tls_socket=encrypted,
            tls_context=context,
            ready=lambda: _announce(_Ports(plain, encrypted, for_grpc), ca_file, chosen.ports_file),
        )
        _stop_on_signals(server)
        try:
            server.run(sockets=[plain])
        finally:
            app.world.keep(at_once=True)
    return 0


@contextlib.contextmanager
def _authority(names: Sequence[str]) -> Iterator[tuple[ssl.SSLContext, Path]]:
    """Give the context to serve with and the file that clients trust, which is removed at the end.

    The certificate is also good for the vendors' own names, for clients told to dial the stand-ins in their place.
    """
    vendors = [host for stand_in in found_stand_ins() for host in stand_in.hosts]
    authority = ThrowAwayAuthority((*vendors, *names))
    with tempfile.TemporaryDirectory(prefix="stand-ins-") as folder:
        yield authority.server_context(), authority.write_ca(Path(folder, "ca.pem"))


def _origin(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _announce(ports: _Ports, ca_file: Path | None, ports_file: Path | None) -> None:
    line = json.dumps(
        {
            "http": port_of(ports.plain),
            "https": port_of(ports.encrypted) if ports.encrypted is not None else None,
            "grpc": port_of(ports.grpc),
            "ca_file": str(ca_file) if ca_file is not None else None,
            "pid": os.getpid(),
        }
    )
    if ports_file is not None:
        partial = ports_file.with_name(f".{ports_file.name}.{os.getpid()}")
        partial.write_text(line + "\n")
        partial.replace(ports_file)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _stop_on_signals(server: Server) -> None:
    """Leave with exit code 0 on SIGTERM and SIGINT: uvicorn raises them again after its shutdown, to be ended here."""

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _refuse(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return EXIT_USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mocks", description="Stand-ins for the vendors, on this machine alone."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to bind; anything but loopback lets others in")
    parser.add_argument("--port", type=int, default=0, help="http port; 0 chooses a free one")
    parser.add_argument("--tls", action="store_true", help="also serve https, with a throw-away authority")
    parser.add_argument("--tls-port", type=int, default=0, help="https port; 0 chooses a free one")
    parser.add_argument("--grpc-port", type=int, default=0, help="gRPC port; 0 chooses a free one")
    parser.add_argument("--name", action="append", default=[], help="one more host name for the certificate")
    parser.add_argument("--state", type=Path, help="keep credentials and state in this file")
    parser.add_argument("--ports-file", type=Path, help="also write the ready line to this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
