"""`python -m entrypoints.services_health`: whether this container's background services are at work, for docker-compose.yml.

`prefect server services start` listens nowhere. What it works through is a docket in Redis, in which each worker writes
down every two seconds that it lives, under its host's name and process id.
"""

import os
import socket
import sys
import time
from collections.abc import Mapping

from redis import Redis
from redis.exceptions import RedisError

# As `prefect server services start` calls its docket, whatever PREFECT_SERVER_DOCKET_NAME says. Source: Prefect 3.8.8.
_WORKERS = "prefect:workers"
_SILENT_SECONDS = 60
_WAIT_SECONDS = 5


def is_at_work(beats: Mapping[str, float], host: str, now_s: float) -> bool:
    """Say whether a worker of that host has been heard of; `beats` holds by worker when it last was (Unix time, seconds)."""
    return any(name.startswith(f"{host}#") and now_s - last < _SILENT_SECONDS for name, last in beats.items())


def main() -> None:
    url = os.environ.get("PREFECT_SERVER_DOCKET_URL", "")
    try:
        with Redis.from_url(url, socket_timeout=_WAIT_SECONDS, decode_responses=True) as redis:
            beats = dict(redis.zrange(_WORKERS, 0, -1, withscores=True))
    except (RedisError, OSError, ValueError) as error:
        sys.exit(f"Redis cannot be asked ({type(error).__name__}).")
    if not is_at_work(beats, socket.gethostname(), time.time()):
        sys.exit(f"No background service of {socket.gethostname()} was heard of for {_SILENT_SECONDS} s.")


if __name__ == "__main__":
    main()
