"""Who runs a command, as the machine knows it: a claim, like every actor."""

import getpass
import os


def logged_in_user() -> str:
    """Return the login name; the user id where it has no name, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
