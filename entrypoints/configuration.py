"""Finds and reads opsflows.toml for commands."""

from domain.config import Config
from ledger.config_file import config_path, read_config
from vendors.registry import INTEGRATIONS


def read() -> Config:
    """Return the configuration.

    Raises:
        BadInput: it cannot be read, or says something that cannot be; names file, key and value.
    """
    return read_config(config_path(), INTEGRATIONS)
