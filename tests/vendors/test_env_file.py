"""A variable in .env.local is replaced and nothing else: whole or not at all, readable by its owner, by one writer at a time."""

import fcntl
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import BadInput, OpsError, Unavailable
from tests.vendors.env_texts import VALUES
from tests.vendors.killing import killed_at_line, published_as, published_side_by_side
from vendors.env_file import EnvFile
from vendors.sinks import Place

NAME = "DD_API_KEY"
OLD, NEW = "old0old0old0", "new1new1new1"
OWNER_ONLY = 0o600
NOBODY = 65534

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed, so no file can be tracked")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away or become someone else")


def sink_in(folder: Path, text: str | bytes | None = None, mode: int = OWNER_ONLY) -> EnvFile:
    file = folder / ".env.local"
    if text is not None:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        file.chmod(mode)
    return EnvFile(file)


def mode_of(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def read_by_sh(file: Path) -> str:
    """Return what a shell that sources the file has in the variable, with a mark at the end that keeps line breaks."""
    read = subprocess.run(
        ["sh", "-c", f'. "$1" && printf "%s|" "${NAME}"', "sh", str(file)], capture_output=True, check=True, env={}
    )
    return read.stdout.decode().removesuffix("|")


def read_by_dotenv(file: Path) -> str | None:
    return dotenv_values(file, interpolate=False).get(NAME)


def refusal(sink: EnvFile, value: str = NEW) -> OpsError:
    with pytest.raises(OpsError) as refused:
        sink.write({NAME: value})
    assert NEW not in str(refused.value)
    assert OLD not in str(refused.value)
    return refused.value


@contextmanager
def empty_folder() -> Iterator[Path]:
    """A folder per example; a fixture would be one for all of them."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_it_is_a_place() -> None:
    place: Place = EnvFile(Path("/nowhere"))

    assert place.holds({NAME: OLD}) is False


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
@pytest.mark.parametrize("before", ["", "# keys\nA=1\n", f"{NAME}={OLD}", f"export {NAME}='{OLD}'", f"{NAME}='x'#y"])
def test_sh_reads_the_value_too(tmp_path: Path, before: str, end: str) -> None:
    sink = sink_in(tmp_path, before + end)

    sink.write({NAME: NEW})

    assert read_by_sh(sink.path) == NEW


# Lines that both readers understand, each whole.
_SANE_LINES = st.lists(
    st.sampled_from(
        [
            "",
            "# note",
            "A=1",
            "export B='two words'",
            'C="x # y"',
            "D='\n\n'",
            f"{NAME}=earlier",
            f"#{NAME}=x",
            "E= # none",
        ]
    ),
    max_size=6,
).map("\n".join)
_OWN_LINES = st.sampled_from(
    ["", f"{NAME}={OLD}", f"  {NAME}='{OLD}' # c", f"export {NAME}={OLD}#x", f'{NAME}="a\nb"#c', f"{NAME}=\t# c"]
)


@given(VALUES, _SANE_LINES, _OWN_LINES, _SANE_LINES, st.sampled_from(["\n", ""]))
@settings(deadline=None)
def test_whatever_is_written_is_read_back_by_both_and_the_rest_stays(
    value: str, above: str, own: str, below: str, end: str
) -> None:
    text = f"{above}\n{own}\n{below}{end}"
    with empty_folder() as folder:
        sink = sink_in(folder, text)
        before = dotenv_values(sink.path, interpolate=False)

        said = said_of(sink, value)

        if said:
            assert "cannot be written" in said
            assert sink.path.read_bytes() == text.encode()
            return
        assert read_by_dotenv(sink.path) == value
        assert read_by_sh(sink.path) == value
        assert sink.holds({NAME: value})
        assert dotenv_values(sink.path, interpolate=False) == {**before, NAME: value}
        assert mode_of(sink.path) == OWNER_ONLY
        if own and f"{NAME}=earlier" not in below:
            assert_only_one_line_between(sink.path.read_bytes(), f"{above}\n".encode(), f"\n{below}{end}".encode())


def said_of(sink: EnvFile, value: str) -> str:
    try:
        sink.write({NAME: value})
    except BadInput as refused:
        return refused.happened
    return ""


def assert_only_one_line_between(content: bytes, above: bytes, below: bytes) -> None:
    assert content.startswith(above)
    assert content.endswith(below)
    assert b"\n" not in content[len(above) : len(content) - len(below)]


@pytest.mark.parametrize("text", [f"{NAME}={NEW}\n", f"{NAME}={OLD}\n{NAME} = '{NEW}' # c\r\n", f"\ufeff{NAME}={NEW}"])
def test_the_value_that_python_dotenv_reads_is_served(tmp_path: Path, text: str) -> None:
    sink = sink_in(tmp_path, text)

    assert sink.holds({NAME: NEW})
    assert read_by_dotenv(sink.path) == NEW


@pytest.mark.parametrize("text", [f"{NAME}={NEW}\n{NAME}={OLD}\n", f"{NAME}=${{NEW}}\n", f"{NAME}\n", "", None])
def test_what_python_dotenv_does_not_read_is_not_served(tmp_path: Path, text: str | None) -> None:
    sink = sink_in(tmp_path, text)

    assert not sink.holds({NAME: NEW})
    assert read_by_dotenv(sink.path) != NEW


def test_a_file_that_is_not_there_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    sink = sink_in(tmp_path)

    sink.write({NAME: NEW})

    assert sink.path.read_text() == f"{NAME}={NEW}\n"
    assert mode_of(sink.path) == OWNER_ONLY


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o700])
def test_a_file_that_others_could_read_is_closed(tmp_path: Path, mode: int) -> None:
    sink = sink_in(tmp_path, f"{NAME}={OLD}\n", mode)

    sink.write({NAME: NEW})

    assert mode_of(sink.path) == OWNER_ONLY


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    target = sink_in(tmp_path / "shared", f"{NAME}={OLD}\n").path
    link = tmp_path / ".env.local"
    link.symlink_to(Path("shared") / target.name)

    EnvFile(link).write({NAME: NEW})

    assert link.is_symlink()
    assert not target.is_symlink()
    assert target.read_text() == f"{NAME}={NEW}\n"
    assert EnvFile(link).holds({NAME: NEW})


@needs_root
def test_the_owner_stays(tmp_path: Path) -> None:
    sink = sink_in(tmp_path, f"{NAME}={OLD}\n")
    os.chown(sink.path, NOBODY, NOBODY)

    sink.write({NAME: NEW})

    assert (sink.path.stat().st_uid, sink.path.stat().st_gid) == (NOBODY, NOBODY)


@needs_root
def test_a_file_of_somebody_else_is_refused_where_we_could_not_give_it_back() -> None:
    with empty_folder() as folder:
        folder.chmod(0o777)
        told = folder / "told"
        sink = sink_in(folder, f"{NAME}={OLD}\n", 0o666)

        said = published_as(NOBODY, sink, {NAME: NEW}, told)

        assert "belongs to another user" in said
        assert NEW not in said
        assert sink.path.read_text() == f"{NAME}={OLD}\n"


def test_a_place_that_cannot_be_used_is_refused_and_nothing_is_shown(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    read_only, twice, binary = (tmp_path / name for name in ("read-only", "twice", "binary"))
    read_only.write_text(f"{NAME}={OLD}\n")
    read_only.chmod(0o400)
    twice.write_text(f"{NAME}={OLD}\n")
    (tmp_path / "second-name").hardlink_to(twice)
    binary.write_bytes(b"\xff\xfe")
    (tmp_path / "round").symlink_to(tmp_path / "round")

    for name, said in (
        ("gone/.env.local", "folder that does not exist"),
        ("folder", "not a regular file"),
        ("pipe", "not a regular file"),
        ("read-only", "not writable"),
        ("twice", "second name"),
        ("binary", "not text"),
        ("round", "cannot be looked at"),
    ):
        fault = refusal(EnvFile(tmp_path / name))
        assert isinstance(fault, BadInput)
        assert said in fault.happened
        assert str(tmp_path / name) in fault.happened
        assert fault.means
        assert fault.next_step


@needs_git
def test_a_file_that_git_tracks_is_refused_also_through_a_link(tmp_path: Path) -> None:
    plain = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1"}
    repository = tmp_path / "app"
    repository.mkdir()
    sink = sink_in(repository, f"{NAME}={OLD}\n")
    (tmp_path / "link").symlink_to(sink.path)
    for words in (["init"], ["add", "--force", sink.path.name]):
        subprocess.run(["git", "-C", str(repository), *words], check=True, capture_output=True, env=plain)

    for file in (sink.path, tmp_path / "link"):
        assert "tracked by git" in refusal(EnvFile(file)).happened

    assert sink.holds({NAME: OLD})


def test_a_writer_that_holds_the_file_for_too_long_is_not_waited_for(tmp_path: Path) -> None:
    sink = EnvFile(sink_in(tmp_path, f"{NAME}={OLD}\n").path, patience=timedelta(milliseconds=20))
    sink.write({NAME: OLD})
    lock = tmp_path / ".env.local.opsflows-lock.local"

    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        fault = refusal(sink)

    assert isinstance(fault, Unavailable)
    assert "Another process has been writing" in fault.happened
    assert sink.holds({NAME: OLD})
    EnvFile(sink.path).write({NAME: NEW})
    assert sink.holds({NAME: NEW})


def test_what_lies_beside_the_file_is_for_its_owner_and_only_the_lock_stays(tmp_path: Path) -> None:
    sink = sink_in(tmp_path)

    sink.write({NAME: NEW})

    assert {file.name: mode_of(file) for file in tmp_path.iterdir()} == {
        ".env.local": OWNER_ONLY,
        ".env.local.opsflows-lock.local": OWNER_ONLY,
    }


def test_killed_at_any_line_it_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    old, new = f"# ours\n{NAME}={OLD}\nB=2\n", f"# ours\n{NAME}={NEW}\nB=2\n"
    left_drafts, ends = 0, set()
    line = 1
    while True:
        folder = tmp_path / str(line)
        folder.mkdir()
        sink = sink_in(folder, old, 0o644)
        was_killed = killed_at_line(sink, {NAME: NEW}, line)
        if not was_killed:
            break
        drafts = [file for file in folder.iterdir() if ".opsflows-draft-" in file.name]
        left_drafts += len(drafts)
        ends.add(sink.path.read_text())
        assert sink.path.read_text() in {old, new}
        assert [mode_of(file) for file in drafts] == [OWNER_ONLY] * len(drafts)

        sink.write({NAME: NEW})

        assert sink.path.read_text() == new
        assert not [file for file in folder.iterdir() if ".opsflows-draft-" in file.name]
        line += 1

    assert sink.path.read_text() == new
    assert ends == {old, new}
    assert left_drafts > 3
    assert line > 40


def test_two_processes_that_write_one_file_lose_nothing(tmp_path: Path) -> None:
    file = sink_in(tmp_path, f"# ours\nA='{OLD}' # a\nB={OLD}\n").path

    ends = published_side_by_side(EnvFile(file), ["A", "B"], [f"value{number}" for number in range(30)])

    assert ends == [0, 0]
    assert file.read_text() == "# ours\nA=value29 # a\nB=value29\n"


def test_several_variables_are_set_at_once_and_an_empty_one_is_none(tmp_path: Path) -> None:
    file = tmp_path / ".env.local"
    place = EnvFile(file)

    place.write({"ID": "a", "SECRET": "b", "PREVIOUS": ""})
    first = file.read_text()
    place.write({"SECRET": "c", "PREVIOUS": "b"})
    both = place.holds({"ID": "a", "SECRET": "c", "PREVIOUS": "b"})
    place.write({"PREVIOUS": ""})

    assert first == "ID=a\nSECRET=b\n"
    assert both
    assert place.holds({"ID": "a", "SECRET": "c", "PREVIOUS": ""})
    assert not place.holds({"PREVIOUS": "b"})


def test_an_absent_variable_is_held_by_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert EnvFile(tmp_path / ".env.local").holds({NAME: ""})
