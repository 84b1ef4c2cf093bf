"""A backup's file is whole, opens for its recipient alone, and never overwrites; what was changed, cut or never finished is told."""

import errno
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import pyrage  # type: ignore[import-untyped]  # it ships no types
import pytest

from domain.backups import ABOUT, FORMAT, About, Manifest, Sealed, read_manifest, recipients_in
from domain.errors import BadInput, OpsError, Unavailable
from ledger.backup_file import Member, Written, check_place, write_backup
from ledger.backup_reading import members_of, verify_backup
from tests.program import program

ABOUT_IT = About(FORMAT, "l1", "0004", "0.1.0", "sqlite", "/srv/opsflows", "b", "2026-11-26T12:00:00+00:00", 3, "h")
BIG = bytes(range(256)) * 4000
ROOT = Path(__file__).parents[2]
FULL = """
import resource, sys
from pathlib import Path
from domain.errors import Unavailable
from ledger.backup_file import write_backup
from tests.ledger.test_backup_file import end, members

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_backup(Path(sys.argv[1]), [sys.argv[2]], members(), end)
except Unavailable as error:
    print(error.symptom, error.happened, sep=chr(10))
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """A recipient and its identity's file, as age-keygen makes them."""

    recipient: str
    identity: Path


def pair(folder: Path, name: str = "identity.txt") -> Pair:
    made = pyrage.x25519.Identity.generate()
    file = folder / name
    file.write_text(f"# made for a test\n{made}\n")
    return Pair(str(made.to_public()), file)


@pytest.fixture
def keys(tmp_path: Path) -> Pair:
    return pair(tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "backups"
    folder.mkdir(mode=0o700)
    return folder / "one.age"


def members() -> Iterator[Member]:
    yield Member.of(ABOUT, b"{}")
    yield Member("audit/flow/2026/11/26/run-1/events.parquet", len(BIG), (BIG[:9], BIG[9:]))
    yield Member.of(f"audit/flow/2026/11/26/{'long' * 40}/report.md", b"# GREEN\n")


def end(sealed: Mapping[str, Sealed]) -> bytes:
    return Manifest(ABOUT_IT, "at", "at", ("r00000000001",), sealed).bytes()


def _end_late(file: Path) -> Callable[[Mapping[str, Sealed]], bytes]:
    """Return an end before which somebody else makes the file."""

    def late(sealed: Mapping[str, Sealed]) -> bytes:
        file.write_text("somebody's")
        return end(sealed)

    return late


def written(file: Path, keys: Pair) -> Written:
    return write_backup(file, [keys.recipient], members(), end)


def sealed_anew(keys: Pair, change: Callable[[dict[str, bytes]], None]) -> bytes:
    """Encrypt an archive that somebody changed, as whoever knows the recipient can."""
    parts = {member.name: b"".join(member.chunks) for member in members()}
    whole = {name: Sealed("0" * 64, len(content)) for name, content in parts.items()}
    parts["manifest.json"] = end(whole)
    change(parts)
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, content in parts.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    encrypted: bytes = pyrage.encrypt(plain.getvalue(), [pyrage.x25519.Recipient.from_str(keys.recipient)])
    return encrypted


def test_what_was_written_is_read_back_and_vouched_for(file: Path, keys: Pair) -> None:
    made = written(file, keys)

    manifest = verify_backup(file, keys.identity)
    read = {name: stream.read() for name, stream in members_of(file, keys.identity)}

    assert (manifest.about, manifest.moved, dict(manifest.members)) == (ABOUT_IT, ("r00000000001",), made.members)
    assert read["audit/flow/2026/11/26/run-1/events.parquet"] == BIG
    assert (file.stat().st_mode & 0o777, file.stat().st_size) == (0o600, made.size)
    assert [one.name for one in file.parent.iterdir()] == ["one.age"]


def test_the_age_program_opens_it_and_tar_lists_it(file: Path, keys: Pair) -> None:
    made = written(file, keys)

    plain = subprocess.run(
        [program("age"), "--decrypt", "-i", str(keys.identity), str(file)], capture_output=True, check=True
    ).stdout
    listed = subprocess.run([program("tar"), "-t"], input=plain, capture_output=True, check=True).stdout.decode()

    assert listed.splitlines() == [*made.members, "manifest.json"]


def test_another_identity_does_not_open_it(file: Path, keys: Pair, tmp_path: Path) -> None:
    written(file, keys)

    with pytest.raises(BadInput, match="another recipient"):
        verify_backup(file, pair(tmp_path, "other.txt").identity)


@pytest.mark.parametrize("where", [0, 100, 70_000, -5], ids=["head", "recipient", "middle", "end"])
def test_a_changed_byte_is_seen_wherever_it_is(file: Path, keys: Pair, where: int) -> None:
    written(file, keys)
    content = bytearray(file.read_bytes())
    content[where] ^= 1
    file.write_bytes(content)

    with pytest.raises(BadInput):
        verify_backup(file, keys.identity)


@pytest.mark.parametrize("kept", [0, 10, 300, 66_000, -1], ids=["nothing", "a word", "head", "a piece", "all but one"])
def test_a_file_that_was_cut_is_not_whole(file: Path, keys: Pair, kept: int) -> None:
    written(file, keys)
    file.write_bytes(file.read_bytes()[:kept])

    with pytest.raises(BadInput):
        verify_backup(file, keys.identity)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda parts: parts.pop(ABOUT), "about.json is not what its manifest says"),
        (lambda parts: parts.update({ABOUT: b"[]"}), "is not what its manifest says"),
        (lambda parts: parts.pop("manifest.json"), "its manifest is missing"),
        (lambda parts: parts.update({"manifest.json": b"{}"}), "manifest cannot be read"),
        (lambda parts: parts.update({"audit/../../stolen": b""}), "which no backup of ours has"),
        (lambda parts: parts.update({"elsewhere": b""}), "which no backup of ours has"),
        (lambda parts: parts.update({"audit/late": b""}), "behind the end"),
    ],
    ids=["missing", "changed", "no manifest", "empty manifest", "a way out", "unknown", "added behind"],
)
def test_an_archive_that_is_not_as_its_manifest_says_is_refused(
    file: Path, keys: Pair, change: Callable[[dict[str, bytes]], None], told: str
) -> None:
    file.write_bytes(sealed_anew(keys, change))

    with pytest.raises(BadInput, match=told):
        verify_backup(file, keys.identity)


def test_a_newer_format_is_refused_in_words() -> None:
    told = json.dumps({"about": {**asdict(ABOUT_IT), "format": FORMAT + 1}, "members": {}}).encode()

    with pytest.raises(BadInput, match="this code knows format 1"):
        read_manifest(told)


def test_it_never_overwrites(file: Path, keys: Pair) -> None:
    file.write_text("somebody's")

    with pytest.raises(BadInput, match="is there already"):
        written(file, keys)

    assert file.read_text() == "somebody's"


def test_what_somebody_else_wrote_meanwhile_stays(file: Path, keys: Pair) -> None:
    with pytest.raises(BadInput, match="is there already"):
        write_backup(file, [keys.recipient], members(), _end_late(file))

    assert (file.read_text(), len(list(file.parent.iterdir()))) == ("somebody's", 1)


def test_a_folder_that_others_can_write_to_is_refused(file: Path) -> None:
    file.parent.chmod(0o770)

    with pytest.raises(BadInput, match="others can write to") as refusal:
        check_place(file)

    assert refusal.value.next_step == f"Take that from them (chmod go-w {file.parent})."


def test_nobody_is_told_to_close_a_folder_that_is_shared_on_purpose(file: Path) -> None:
    file.parent.chmod(0o1777)

    with pytest.raises(BadInput, match="others can write to") as refusal:
        check_place(file)

    assert "chmod" not in refusal.value.next_step
    assert "mkdir -m 700 ~/backups" in refusal.value.next_step


def test_a_disk_that_fills_up_leaves_nothing(file: Path, keys: Pair) -> None:
    # In a child, since the limit holds for a whole process.
    child = subprocess.run(
        [sys.executable, "-c", FULL, file, keys.recipient], capture_output=True, check=True, cwd=ROOT
    )

    assert child.stdout.decode().splitlines() == [
        "backup.not_written",
        f"The backup {file} could not be written: File too large.",
    ]
    assert list(file.parent.iterdir()) == []


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP], ids=["exFAT", "CIFS"])
def test_a_file_system_without_links_takes_a_backup_and_overwrites_nothing_either(
    file: Path, keys: Pair, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(draft: Path, file: Path) -> None:
        del draft, file
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", no_links)

    written(file, keys)

    assert verify_backup(file, keys.identity).about == ABOUT_IT
    assert [one.name for one in file.parent.iterdir()] == ["one.age"]
    file.unlink()
    with pytest.raises(BadInput, match="is there already"):
        write_backup(file, [keys.recipient], members(), _end_late(file))
    assert (file.read_text(), len(list(file.parent.iterdir()))) == ("somebody's", 1)


def test_a_recipient_with_a_wrong_letter_is_refused_before_anything_is_made(file: Path, keys: Pair) -> None:
    mistyped = keys.recipient[:-1] + ("q" if keys.recipient[-1] != "q" else "p")

    with pytest.raises(BadInput, match="checksum") as raised:
        write_backup(file, recipients_in(mistyped), members(), end)

    assert mistyped not in str(raised.value)
    assert list(file.parent.iterdir()) == []


def test_a_source_that_fails_is_not_the_targets_fault(file: Path, keys: Pair) -> None:
    failed = PermissionError(errno.EACCES, "Permission denied", "/srv/audit/one")

    def broken() -> Iterator[Member]:
        yield from members()
        raise failed

    with pytest.raises(PermissionError) as raised:
        write_backup(file, [keys.recipient], broken(), end)

    assert raised.value is failed
    assert list(file.parent.iterdir()) == []


def test_a_part_that_cannot_be_read_leaves_nothing_and_says_why(file: Path, keys: Pair) -> None:
    away = Unavailable("The Prefect server does not answer.", "Nothing was read.", "Start it.")

    def broken() -> Iterator[Member]:
        yield from members()
        raise away

    with pytest.raises(OpsError) as raised:
        write_backup(file, [keys.recipient], broken(), end)

    assert raised.value is away
    assert list(file.parent.iterdir()) == []


def test_an_identity_is_no_recipient_and_is_never_shown() -> None:
    secret = str(pyrage.x25519.Identity.generate())

    with pytest.raises(BadInput) as raised:
        recipients_in(secret)

    assert "identity" in raised.value.happened
    assert secret not in str(raised.value)


def test_recipients_are_lines_without_comments() -> None:
    recipient = str(pyrage.x25519.Identity.generate().to_public())

    found = recipients_in(f"# the safe in Bern\n\n {recipient} \n")

    assert found == [recipient]


@pytest.mark.parametrize("text", ["age1short", "ssh-ed25519 AAAA", "AGE1"])
def test_what_is_no_recipient_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="no recipient of age"):
        recipients_in(text)
