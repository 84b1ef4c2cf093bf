"""Where opsflows.toml is, and how it is read."""

import os
from collections.abc import Iterable
from pathlib import Path

from domain.config import Config, parse_config
from domain.errors import BadInput

_ROOT = Path(__file__).resolve().parents[1]


def config_path() -> Path:
    """Return OPSFLOWS_CONFIG, or opsflows.toml in the project."""
    return Path(os.environ.get("OPSFLOWS_CONFIG") or _ROOT / "opsflows.toml")


def read_config(file: Path, integrations: Iterable[str], platforms: Iterable[str] = ()) -> Config:
    """Return what the file says; `integrations` and `platforms` are the names it may use.

    Raises:
        BadInput: it cannot be read, or says something that cannot be; names file, key and value.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{file} cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8 text'}).",
            "It says which environments there are; nothing was done.",
            "Restore it from the repository, or set OPSFLOWS_CONFIG to where yours is.",
        ) from error
    return parse_config(text, str(file), integrations, platforms)
