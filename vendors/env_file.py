"""The sink `.env.local`: variables of one file that applications read when they start."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from domain.errors import BadInput, Unavailable
from vendors.env_lines import value_of, with_value
from vendors.git import is_tracked
from vendors.whole_files import one_writer, remove_drafts, replace_whole


@dataclass(frozen=True, slots=True)
class EnvFile:
    """A file like `.env.local`; a `Place` whose names are variables. An absent one is empty, or not there.

    The file is 0600 afterwards, whatever it was: who read it through its group or as anybody must run as its owner.
    A symlink stays, and what it leads to is replaced. `patience` is for another process that writes the same file.
    """

    path: Path
    patience: timedelta = timedelta(seconds=10)

    def write(self, entries: Mapping[str, str]) -> None:
        """Set the variables at once, and leave every other byte of the file as it is; a file that is not there is made.

        Raises:
            BadInput: the place cannot be used, or the value cannot be written there.
            Rejected: the file is broken, so that the line would change others.
            Unavailable: nothing was changed; try again.
            OutcomeUnknown: replaced, but perhaps not durably.
        """
        target = self._target()
        _check_place(target)
        try:
            with one_writer(target, self.patience):
                text = _read(target)
                remove_drafts(target)
                for variable, value in entries.items():
                    if value or value_of(text, variable):
                        text = with_value(text, variable, value)
                replace_whole(target, text.encode())
        except OSError as error:
            raise Unavailable(
                f"{target} could not be replaced ({error.strerror}).",
                "The file is as it was.",
                f"See that {target.parent} can be written to and has room, and that {target.name} is not mounted by itself.",
            ) from error

    def holds(self, entries: Mapping[str, str]) -> bool:
        """Return whether python-dotenv reads just these values there; False where the file or a variable is missing.

        Raises:
            BadInput, Unavailable: the file is there and cannot be read.
        """
        target = self._target()
        try:
            # Lines end as Python's text files have them, which is how python-dotenv opens the file.
            text = target.read_text(encoding="utf-8") if target.is_file() else ""
            return all((value_of(text, variable) or "") == value for variable, value in entries.items())
        except FileNotFoundError:
            return False
        except UnicodeDecodeError:
            raise _not_text(target) from None
        except OSError as error:
            raise Unavailable(
                f"{target} cannot be read ({error.strerror}).",
                "Whether applications have the value is not known.",
                f"See that the worker may read {target}.",
            ) from error

    def _target(self) -> Path:
        try:
            return self.path.resolve()
        except RuntimeError:
            # Links that go round, in Python before 3.13; looking at the path says so in every version.
            return self.path


def _check_place(target: Path) -> None:
    """Raise BadInput where a credential must not or cannot be written."""
    if not target.parent.is_dir():
        raise _unusable(target, "lies in a folder that does not exist", "Create the folder, or correct the path")
    try:
        there = target.stat()
    except FileNotFoundError:
        there = None
    except OSError as error:
        raise _unusable(target, f"cannot be looked at ({error.strerror})", "Let the worker into its folder") from error
    if there is not None:
        _check_file(target, there)
    if is_tracked(target):
        raise BadInput(
            f"{target} is tracked by git.",
            "A credential written there would be in the history that everyone clones; nothing was changed.",
            f"git rm --cached {target}, add it to .gitignore, and rotate what it holds.",
        )


def _check_file(target: Path, there: os.stat_result) -> None:
    if not stat.S_ISREG(there.st_mode):
        raise _unusable(target, "is not a regular file", "Correct the path")
    # Root may write what is read-only; that somebody made it so still counts.
    if not there.st_mode & stat.S_IWUSR or not os.access(target, os.R_OK | os.W_OK):
        raise _unusable(target, "is not writable", f"chmod 600 {target}, as the user that the worker runs as")
    if os.geteuid() not in (0, there.st_uid):
        raise _unusable(
            target, "belongs to another user, who could not read a file of ours", "Run the worker as that user"
        )
    if there.st_nlink > 1:
        raise _unusable(target, "has a second name (a hard link), which would keep the old value", "Make it a symlink")


def _unusable(file: Path, why: str, remedy: str) -> BadInput:
    return BadInput(f"{file} {why}.", "The value was not written; nothing was changed.", f"{remedy}.")


def _not_text(file: Path) -> BadInput:
    return _unusable(file, "is not text", "Write it as .env.example shows")


def _read(target: Path) -> str:
    """Return the text with its line ends as they are, empty where there is no file yet."""
    try:
        return target.read_bytes().decode()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise _not_text(target) from None
