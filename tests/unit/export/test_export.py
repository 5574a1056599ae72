"""`rialto export` and `rialto verify` over a store: what is written, what is chosen, and what is found broken."""

import asyncio
import contextlib
import email
import email.policy
import json
import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from bridge.cli import app
from bridge.export.manifest import Manifest, ManifestError, ObjectLine
from bridge.export.objects import cpim
from bridge.model import cpim as codec
from bridge.model.address import Address, Person, Place, PlaceKind
from bridge.model.archive import from_cpim
from bridge.model.event import Event, Origin
from bridge.model.message import Content, Kick, Message, MessageKind, Opaque, Reaction, Retraction, Span, Style, Text
from bridge.store import Store, archive
from bridge.store.archive import Kept
from tests.unit.export.certificates import Identity

CONFIG = """\
http: {admin_token: admin-token}
networks:
  office: {kind: xmpp, domain: bridge.example.org, secret: office-secret}
  home: {kind: matrix, homeserver: "http://127.0.0.1:8008", domain: example.org, as_token: as-tok, hs_token: hs-tok}
  libera: {kind: irc, server: "ircs://irc.libera.chat:6697", nick: rialto}
rooms:
  lobby: {office: lobby@conference.example.org, home: "#lobby:example.org", libera: "#lobby"}
  tea: {office: tea@conference.example.org, libera: "#tea"}
archive: {keep: 365d}
"""

Run = Callable[..., Result]

DAY = 86_400.0
NOON = 1_795_780_800.0  # 2026-11-27, 12:00 UTC
ANA = Person(Address("home", "@ana:example.org"), "Ana Reis")
BO = Person(Address("office", "bo@example.org"), "bo")
KESTREL = Address("libera", "kestrel")


def kept_event(number: int, content: Content | str, sender: Person = ANA, when: float = NOON) -> Event:
    said = Message(Text(content)) if isinstance(content, str) else content
    network = sender.address.network
    return Event(Origin(network, f"${number}"), Place(network, "#lobby"), sender, when, said, id=f"id{number:04}")


EVENTS: list[tuple[Event, str | None]] = [
    (kept_event(1, "first", when=NOON - DAY), "lobby"),
    (kept_event(2, "Grüße\nzwei Zeilen"), "lobby"),
    (kept_event(3, "von bo", BO, NOON + 1), "tea"),
    (kept_event(4, Reaction("$2", "👍"), BO, NOON + 2), "lobby"),
    (replace(kept_event(5, "psst", BO, NOON + 3), to=KESTREL, place=Place("office", "bo", PlaceKind.USER)), None),
]


async def fill(folder: Path, events: list[tuple[Event, str | None]]) -> None:
    store = Store(f"sqlite:///{folder / 'rialto.db'}")
    await store.open()
    await store.write(partial(archive.keep, events=events))
    await store.close()


@pytest.fixture
def rialto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs commands in a folder with a configuration and a store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    asyncio.run(fill(tmp_path, EVENTS))
    return lambda *arguments: CliRunner().invoke(app, list(map(str, arguments)))


def objects(folder: Path) -> list[bytes]:
    """All objects of an export, as its manifest has it."""
    found = Manifest.read((folder / "manifest.jsonl").read_bytes())
    return [
        (folder / file.file).read_bytes()[each.offset : each.offset + each.length]
        for file, lines in sorted(found.files.items(), key=lambda item: item[0].file)
        for each in lines
    ]


@pytest.mark.conforms("RFC2779:4.1.1", "RFC2779:4.1.9")
def test_each_message_is_an_object_of_its_own(rialto: Run, tmp_path: Path) -> None:
    result = rialto("export", "out")
    assert (result.exit_code, result.output) == (0, "out is written: 5 messages\n")
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {"2026-11-26.mime", "2026-11-27.mime", "manifest.jsonl"}
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    found = [from_cpim(codec.loads(each)) for each in objects(out)]
    assert [message.body.text for message, _ in found] == [
        "first",
        "Grüße\nzwei Zeilen",
        "von bo",
        "reacts with 👍",
        "psst",
    ]
    _, envelope = found[1]
    assert envelope.sender == codec.Mailbox(ANA.address.uri("im"), "Ana Reis")
    assert envelope.to == (codec.Mailbox(Address("home", "#lobby").uri("im")),)
    assert (envelope.when, envelope.id, envelope.origin) == (NOON, "id0002", Origin("home", "$2"))
    assert found[3][0] == Message(Text("reacts with 👍"), MessageKind.NOTICE, reply_to="$2")
    assert found[4][1].to == (codec.Mailbox(KESTREL.uri("im")),)
    assert len({envelope.id for _, envelope in found}) == 5


@pytest.mark.conforms("RFC2779:4.1.10")
def test_a_day_is_mime_that_others_read(rialto: Run, tmp_path: Path) -> None:
    rialto("export", "out")
    day = email.message_from_bytes((tmp_path / "out" / "2026-11-27.mime").read_bytes(), policy=email.policy.default)
    assert day.get_content_type() == "multipart/mixed"
    assert [part.get_content_type() for part in day.iter_parts()] == ["message/cpim"] * 4
    assert day.defects == []


def test_json_lines(rialto: Run, tmp_path: Path) -> None:
    assert rialto("export", "out", "--format", "jsonl", "--room", "lobby").exit_code == 0
    lines = [json.loads(line) for line in (tmp_path / "out" / "2026-11-27.jsonl").read_text().splitlines()]
    assert lines == [
        {
            "id": "id0002",
            "when": "2026-11-27T12:00:00.000Z",
            "room": "lobby",
            "place": "home:#lobby",
            "native_id": "$2",
            "from": "home:@ana:example.org",
            "name": "Ana Reis",
            "to": None,
            "what": "message",
            "content": {"body": {"text": "Grüße\nzwei Zeilen"}},
        },
        {
            "id": "id0004",
            "when": "2026-11-27T12:00:02.000Z",
            "room": "lobby",
            "place": "office:#lobby",
            "native_id": "$4",
            "from": "office:bo@example.org",
            "name": "bo",
            "to": None,
            "what": "reaction",
            "content": {"target": "$2", "key": "👍"},
        },
    ]
    assert rialto("verify", "out").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        (["--room", "tea"], [3]),
        (["--room", "tea", "--room", "lobby"], [1, 2, 3, 4]),
        (["--person", "bo@example.org"], [3, 4, 5]),
        (["--person", "libera:kestrel"], [5]),
        (["--person", "@ana:example.org", "--since", "2026-11-27"], [2]),
        (["--until", "2026-11-27T12:00:02"], [1, 2, 3]),
        (["--since", "2026-11-27T14:00:03+02:00"], [5]),
    ],
)
def test_what_is_chosen(rialto: Run, tmp_path: Path, arguments: list[str], ids: list[int]) -> None:
    result = rialto("export", "out", *arguments)
    assert result.exit_code == 0, result.output
    assert [from_cpim(codec.loads(each))[1].id for each in objects(tmp_path / "out")] == [f"id{id_:04}" for id_ in ids]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--room", "loby"], 2, "--room: no room is called 'loby'; did you mean 'lobby'?"),
        (["--person", "bo"], 2, "--person: 'bo' does not say on which network"),
        (
            ["--since", "yesterday"],
            2,
            "--since: write a day or a time, as 2026-11-27 or 2026-11-27T18:00, not 'yesterday'",
        ),
        (["--format", "xml"], 2, "--format: write cpim or jsonl, not xml"),
        (["--sign", "key.pem"], 2, "--sign and --certificate belong together"),
        (["--sign", "key.pem", "--certificate", "c.pem"], 2, "key.pem: no private key in PEM"),
        (["--since", "2030-01-01"], 1, "nothing of that is kept"),
        (["-c", "nothing.yaml"], 2, "nothing.yaml"),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(
    rialto: Run, tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    result = rialto("export", "out", *arguments)
    assert (result.exit_code, says in result.output) == (code, True), result.output
    assert {path.name for path in tmp_path.iterdir()} - before <= {"rialto.db-shm", "rialto.db-wal"}


def test_where_something_is_nothing_is_written(rialto: Run, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    result = rialto("export", "out")
    assert (result.exit_code, result.output) == (2, "out is there already; name another folder\n")
    assert list((tmp_path / "out").iterdir()) == []


def test_without_an_archive_it_says_how_to_have_one(rialto: Run, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG.replace("archive: {keep: 365d}\n", ""))
    result = rialto("export", "out", "--room", "tea", "--since", "2030-01-01")
    assert result.exit_code == 1
    assert "archive.keep" in result.output


@pytest.fixture
def signed(rialto: Run, tmp_path: Path) -> Path:
    """An export that is signed, by a certificate in archive.pem."""
    who = Identity(tmp_path, "archive")
    result = rialto("export", "out", "--sign", who.key_file, "--certificate", who.file)
    assert (result.exit_code, result.output) == (0, "out is written: 5 messages, signed\n")
    return tmp_path / "out"


@pytest.mark.conforms("RFC2779:2.5.1", "RFC2779:5.4.7", "RFC2779:2.5.4")
def test_what_is_signed_is_verified_and_openssl_agrees(rialto: Run, signed: Path) -> None:
    result = rialto("verify", "out", "--trust", "archive.pem")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("out is as it was written: 5 messages; signed by CN=archive, 20")
    files: list[str | Path] = ["-in", signed / "manifest.jsonl.p7s", "-content", signed / "manifest.jsonl"]
    subprocess.run(
        [
            "openssl",
            "cms",
            "-verify",
            "-binary",
            "-inform",
            "DER",
            *files,
            "-CAfile",
            "archive.pem",
            "-out",
            "/dev/null",
        ],
        check=True,
        capture_output=True,
    )
    result = rialto("verify", "out")
    assert result.exit_code == 1
    assert "nobody whom you trust vouches for CN=archive: name them with --trust" in result.output


def test_what_nobody_signed_is_not_what_somebody_trusted_signed(rialto: Run, tmp_path: Path) -> None:
    Identity(tmp_path, "archive")
    rialto("export", "out")
    assert rialto("verify", "out").output == "out is as it was written: 5 messages; nobody signed it\n"
    result = rialto("verify", "out", "--trust", "archive.pem")
    assert (result.exit_code, result.output) == (1, "manifest.jsonl: nobody signed it\n")


def test_one_octet_is_found(rialto: Run, signed: Path) -> None:
    path = signed / "2026-11-27.mime"
    octets = bytearray(path.read_bytes())
    at = octets.index(b"von bo")
    octets[at] ^= 1
    path.write_bytes(octets)
    [second] = [each for each in read_manifest(signed) if each.id == "id0003"]
    result = rialto("verify", "out", "--trust", "archive.pem")
    start, end = second.offset, second.offset + second.length
    assert start <= at < end
    assert result.exit_code == 1
    assert result.output == f"2026-11-27.mime: octets {start} to {end - 1}: not as written: message id0003\n"


def read_manifest(folder: Path) -> list[ObjectLine]:
    found = Manifest.read((folder / "manifest.jsonl").read_bytes())
    return [each for lines in found.files.values() for each in lines]


def test_an_octet_too_many_spoils_what_follows(rialto: Run, signed: Path) -> None:
    path = signed / "2026-11-27.mime"
    octets = path.read_bytes()
    at = octets.index(b"von bo")
    path.write_bytes(octets[:at] + b"!" + octets[at:])
    first, last = [each for each in read_manifest(signed) if each.id in ("id0003", "id0005")]
    result = rialto("verify", "out", "--trust", "archive.pem")
    assert result.output.splitlines() == [
        f"2026-11-27.mime: octets {first.offset} to {last.offset + last.length - 1}: not as written: "
        "3 messages from id0003 to id0005",
        f"2026-11-27.mime: has {len(octets) + 1} octets, and had {len(octets)}",
    ]


def test_what_else_can_be_wrong(rialto: Run, signed: Path) -> None:
    path = signed / "2026-11-27.mime"
    path.write_bytes(path.read_bytes().replace(b"MIME-Version: 1.0", b"MIME-Version: 1.1"))
    (signed / "2026-11-26.mime").unlink()
    (signed / "2026-11-25.mime").write_text("more")
    result = rialto("verify", "out", "--trust", "archive.pem")
    assert result.exit_code == 1
    assert sorted(result.output.splitlines()) == [
        "2026-11-25.mime: is no part of the export",
        "2026-11-26.mime: cannot be read: No such file or directory",
        "2026-11-27.mime: what stands between the messages was changed",
    ]


def test_a_manifest_that_was_changed(rialto: Run, signed: Path) -> None:
    path = signed / "manifest.jsonl"
    path.write_bytes(path.read_bytes().replace(b"id0003", b"id0009"))
    result = rialto("verify", "out", "--trust", "archive.pem")
    assert result.exit_code == 1
    assert result.output.startswith("manifest.jsonl.p7s: the signature does not hold: it is not over these octets")


@pytest.mark.parametrize(
    "line", ["", "{}", '{"what":"file","file":"../../etc/passwd","length":1,"sha256":"%s"}' % ("0" * 64)]
)
def test_what_is_no_export(rialto: Run, tmp_path: Path, line: str) -> None:
    (tmp_path / "out").mkdir()
    if line:
        (tmp_path / "out" / "manifest.jsonl").write_text(line + "\n")
    result = rialto("verify", "out")
    assert result.exit_code == 2
    assert result.output.startswith("out: ")


def test_where_no_export_is(rialto: Run, tmp_path: Path) -> None:
    result = rialto("verify", "elsewhere")
    assert result.exit_code == 2
    assert result.output == "elsewhere: No such file or directory; name the folder that rialto export wrote\n"


@given(st.binary(max_size=200))
def test_any_bytes_are_a_manifest_or_none(data: bytes) -> None:
    with contextlib.suppress(ManifestError):
        assert isinstance(Manifest.read(data), Manifest)


CONTENTS: list[tuple[Content, Message]] = [
    (
        Message(Text("bold", (Span(0, 4, Style.BOLD),)), MessageKind.EMOTE, replaces="$1", thread="$0"),
        Message(Text("bold", (Span(0, 4, Style.BOLD),)), MessageKind.EMOTE, replaces="$1", thread="$0"),
    ),
    (
        Reaction("$1", "👍", withdrawn=True),
        Message(Text("takes back the reaction 👍"), MessageKind.NOTICE, reply_to="$1"),
    ),
    (Retraction("$1", "spam"), Message(Text("takes back a message: spam"), MessageKind.NOTICE, reply_to="$1")),
    (Kick(KESTREL, "Kestrel", "noise", banned=True), Message(Text("bans Kestrel: noise"), MessageKind.NOTICE)),
    (Opaque("an encrypted message"), Message(Text("sent an encrypted message"), MessageKind.NOTICE)),
]


@pytest.mark.parametrize(("content", "written"), CONTENTS)
def test_every_content_is_written(content: Content, written: Message) -> None:
    kept = Kept("id1", "home", "$9", "#lobby", "lobby", ANA.address, "A\x07na", None, NOON, content)
    message, envelope = from_cpim(codec.loads(cpim(kept)))
    assert message == written
    assert envelope.sender.name == "A\x07na"
