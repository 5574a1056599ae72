"""Every mistake is told with its place and with what to write instead; the words are the promise, so they are exact."""

from pathlib import Path

import pytest

from bridge.config import ConfigError, load
from tests.unit.config.fakes import FACTORIES, GOOD, write

LOBBY = '    libera: "#Lobby"\n'
DURATION = "write a whole number and its unit (s, m, h, d), for example 30s, 15m, 1h or 90d"
QUOTES = 'a value that begins with one of @ ! * & % needs quotes, for example "@name"'
STORE = (
    "write sqlite:/// and the path of a file, for example sqlite:///rialto.db or sqlite:////var/lib/rialto.db, "
    "or postgresql:// and where the database is, for example postgresql://user@host/rialto"
)
TEXT = "write text; where YAML reads it as something else (a number, yes, no), put it in quotes"
EMPTY = "is empty; write a value, or leave the key out (a value that begins with # needs quotes)"
MAPPING = "write a mapping of keys and values (check the indentation)"
NAME = "a network's name has 1 to 16 lower-case letters and digits, the first a letter"
TOKEN = "write 8 or more ASCII characters without spaces; openssl rand -hex 32 makes good ones"
URL = "write a URL without query or slash at the end, for example https://bridge.example.org"


def mistakes(folder: Path, text: str, env: dict[str, str] | None = None) -> list[str]:
    """What is wrong with a file of this text."""
    with pytest.raises(ConfigError) as caught:
        load(write(folder, text), env or {}, FACTORIES)
    assert str(caught.value) == "\n".join(map(str, caught.value.mistakes))
    return [str(mistake) for mistake in caught.value.mistakes]


# What is replaced in the good file, by what, and what is said then.
ONE_CHANGE: list[tuple[str, str, list[str]]] = [
    (
        "secret: office-secret",
        "secrt: office-secret",
        [
            "config.yaml: networks.office.secret: is missing: What the server and the component share.",
            "config.yaml: networks.office.secrt: unknown key; did you mean 'secret'?",
        ],
    ),
    (
        "    puppets: 50\n",
        "    puppets: 50\n    tls: {verfiy: no}\n",
        ["config.yaml: networks.libera.tls.verfiy: unknown key; did you mean 'verify'?"],
    ),
    (
        "    puppets: 50\n",
        "    puppets: 50\n    tls: {zzz: no}\n",
        ["config.yaml: networks.libera.tls.zzz: unknown key; known are: ca, verify"],
    ),
    (
        "    puppets: 50\n",
        "    puppets: 50\n    default: true\n",
        [
            "config.yaml: networks.libera.default: only networks of the kinds matrix and xmpp own bare domains;"
            " leave the key out"
        ],
    ),
    ("secret: office-secret", "secret: 0123", [f"config.yaml: networks.office.secret: {TEXT}"]),
    ("secret: office-secret", "secret: no", [f"config.yaml: networks.office.secret: {TEXT}"]),
    ("secret: office-secret", "secret:", [f"config.yaml: networks.office.secret: {EMPTY}"]),
    ("secret: office-secret", "secret: *office-secret", [f"config.yaml: line 7, column 13: {QUOTES}"]),
    (
        "secret: office-secret",
        "secret: '@office-secret'\n\tdomain: x",
        ["config.yaml: line 8, column 1: indent with spaces, not with tabs"],
    ),
    ("secret: office-secret", "secret: @office-secret", [f"config.yaml: line 7, column 13: {QUOTES}"]),
    ("secret: office-secret", "secret: !office-secret", [f"config.yaml: line 7, column 13: {QUOTES}"]),
    (
        "secret: office-secret",
        "secret: a\n    secret: b",
        ["config.yaml: networks.office.secret: written twice, in lines 7 and 8; keep one"],
    ),
    (
        "secret: office-secret",
        "secret: {file: nowhere}",
        ["config.yaml: networks.office.secret.file: nowhere cannot be read: No such file or directory"],
    ),
    (
        "secret: office-secret",
        "secret: {file: ''}",
        ["config.yaml: networks.office.secret.file: write the path of a file that holds the value"],
    ),
    ("puppets: 50", "puppets: many", ["config.yaml: networks.libera.puppets: write a whole number"]),
    ("puppets: 50", "puppets: 1001", ["config.yaml: networks.libera.puppets: must be at most 1000"]),
    ("puppets: 50", "puppets: -1", ["config.yaml: networks.libera.puppets: must be at least 0"]),
    ("puppets: 50", "flood: slow", ["config.yaml: networks.libera.flood: write 'strict' or 'none'"]),
    ("puppets: 50", "encodings: latin-1", ["config.yaml: networks.libera.encodings: write a list: [one, two]"]),
    ("puppets: 50", "encodings: [utf-8, 1]", [f"config.yaml: networks.libera.encodings[1]: {TEXT}"]),
    ("puppets: 50", "tls: {verify: maybe}", ["config.yaml: networks.libera.tls.verify: write true or false"]),
    ("puppets: 50", "tls: yes", [f"config.yaml: networks.libera.tls: {MAPPING}"]),
    ("puppets: 50", f"nick: {'n' * 31}", ["config.yaml: networks.libera.nick: holds at most 30 characters"]),
    (
        "kind: irc",
        "kind: ircc",
        ["config.yaml: networks.libera.kind: unknown kind; did you mean 'irc'? installed: irc, matrix, xmpp"],
    ),
    (
        "kind: irc",
        "kind: telepathy",
        ["config.yaml: networks.libera.kind: unknown kind; installed: irc, matrix, xmpp"],
    ),
    ("    kind: irc\n", "", ["config.yaml: networks.libera.kind: is missing: write one of irc, matrix, xmpp"]),
    (
        "  libera:\n    kind",
        "  Libera:\n    kind",
        [
            f"config.yaml: networks.Libera: {NAME}",
            "config.yaml: rooms.lobby.libera: no network is called 'libera'; did you mean 'Libera'?",
        ],
    ),
    (
        "  libera:\n    kind",
        "  metrics:\n    kind",
        [
            "config.yaml: networks.metrics: is a path of Rialto's own HTTP server; call the network something else",
            "config.yaml: rooms.lobby.libera: no network is called 'libera'; networks are: home, metrics, office",
        ],
    ),
    (
        "domain: bridge.example.org",
        "domain: libera",
        [
            "config.yaml: networks.libera: is also the domain that 'office' serves, so that names would be ambiguous;"
            " rename it"
        ],
    ),
    (
        LOBBY,
        '    librea: "#lobby"\n',
        ["config.yaml: rooms.lobby.librea: no network is called 'librea'; did you mean 'libera'?"],
    ),
    (LOBBY, "    libera: #lobby\n", [f"config.yaml: rooms.lobby.libera: {EMPTY}"]),
    (LOBBY, "    libera: lobby\n", ["config.yaml: rooms.lobby.libera: write a room with '#' in it"]),
    (
        LOBBY,
        '    libera: ["#a", 7]\n',
        [
            "config.yaml: rooms.lobby.libera[1]: write a place: a name in quotes, a mapping with `id`, or a list of"
            " these"
        ],
    ),
    (LOBBY, "    libera: []\n", ["config.yaml: rooms.lobby.libera: needs at least 1"]),
    (
        LOBBY,
        '    libera: ["#a", "lobby"]\n',
        ["config.yaml: rooms.lobby.libera[1]: write a room with '#' in it"],
    ),
    (
        LOBBY,
        '    libera: {id: "#a", direction: up, memebrs: no}\n',
        [
            "config.yaml: rooms.lobby.libera.direction: write 'both', 'in' or 'out'",
            "config.yaml: rooms.lobby.libera.memebrs: unknown key; did you mean 'members'?",
        ],
    ),
    (
        LOBBY,
        "    libera: {key: x}\n",
        [
            "config.yaml: rooms.lobby.libera.id: is missing: What the network calls the room: a MUC's JID, a Matrix"
            " alias or room id, an IRC channel."
        ],
    ),
    (
        LOBBY,
        '    libera: ["#tea", "#TEA"]\n',
        ["config.yaml: rooms.lobby.libera[1]: is twice in this room; a place belongs to one room, once"],
    ),
    (
        LOBBY,
        LOBBY + '  tea:\n    libera: "#lobby"\n    office: tea@conference.example.org\n',
        ["config.yaml: rooms.tea.libera: is in the room 'lobby' already; a place belongs to one room, once"],
    ),
    (
        LOBBY,
        LOBBY + '  tea:\n    libera: "#tea"\n',
        ["config.yaml: rooms.tea: has fewer than two places; there is nothing to bridge"],
    ),
    (
        LOBBY,
        LOBBY + '  tea:\n    libera: [{id: "#tea", direction: in}, {id: "#coffee", direction: in}]\n',
        [
            "config.yaml: rooms.tea: nothing can cross: let one place be `direction: out` or `both`, and another `in`"
            " or `both`"
        ],
    ),
    (
        "  lobby:\n",
        "  The Lobby:\n",
        [
            "config.yaml: rooms.The Lobby: write a name of lower-case letters, digits and . - _, at most 64, beginning"
            " with a letter or digit"
        ],
    ),
    ("admin_token: admin-token", "admin_token: short", [f"config.yaml: http.admin_token: {TOKEN}"]),
    ("admin_token: admin-token", "admin_token: two words", [f"config.yaml: http.admin_token: {TOKEN}"]),
    (
        "admin_token: admin-token",
        "public_listen: 8080",
        ["config.yaml: http.public_listen: write HOST:PORT, for example 127.0.0.1:29330 or [::1]:29330"],
    ),
    (
        "admin_token: admin-token",
        "public_listen: 127.0.0.1:29330",
        [
            "config.yaml: http.public_listen: is http.listen, where all of that is, too; write another port, or leave "
            "the key out"
        ],
    ),
    ("admin_token: admin-token", "public_url: bridge.example.org", [f"config.yaml: http.public_url: {URL}"]),
    ("admin_token: admin-token", "public_url: https://b.example.org/", [f"config.yaml: http.public_url: {URL}"]),
]


@pytest.mark.parametrize(("old", "new", "said"), ONE_CHANGE, ids=[new.strip()[:40] for _, new, _ in ONE_CHANGE])
def test_one_mistake_in_a_good_file(tmp_path: Path, old: str, new: str, said: list[str]) -> None:
    assert old in GOOD
    assert mistakes(tmp_path, GOOD.replace(old, new, 1)) == said


# What is added at the top of the good file, and what is said then.
ADDED: list[tuple[str, list[str]]] = [
    ("keep_bodies: 3600", [f"config.yaml: keep_bodies: {DURATION}"]),
    ("keep_map: three days", [f"config.yaml: keep_map: {DURATION}"]),
    ("keep_map: 5m", ["config.yaml: keep_map: must not be shorter than keep_bodies"]),
    ("store: postgresql://me@db", [f"config.yaml: store: {STORE}"]),
    ("store: rialto.db", [f"config.yaml: store: {STORE}"]),
    ("store: sqlite:///x?mode=ro", [f"config.yaml: store: {STORE}"]),
    (
        "store: 'sqlite:///:memory:'",
        [f"config.yaml: store: a store in memory would lose what it promised to deliver; {STORE}"],
    ),
    (
        "store: sqlite:////no/such/folder/x.db",
        ["config.yaml: store: there is no folder /no/such/folder; make it, or name another"],
    ),
    (
        "rules: {dm: '*'}",
        ["config.yaml: rules.dm: write a list: [one, two]"],
    ),
    ("rules: {use: '*'}", ["config.yaml: rules.use: write a list: [one, two]"]),
    (
        "rules: {deny: ['librea:*']}",
        ["config.yaml: rules.deny[0]: no network is called 'librea'; did you mean 'libera'?"],
    ),
    (
        "rules: {deny: ['a b']}",
        [
            "config.yaml: rules.deny[0]: write a pattern without spaces and control characters, for example"
            " *@example.org"
        ],
    ),
    ("archive: {omit: [loby]}", ["config.yaml: archive.omit[0]: no room is called 'loby'; did you mean 'lobby'?"]),
    ("archive: {keep: 3}", [f"config.yaml: archive.keep: {DURATION}"]),
    (
        "rules: {people: [{of: '*', who: '*', access: maybe}]}",
        ["config.yaml: rules.people[0].access: write 'allow', 'confirm', 'polite-block' or 'block'"],
    ),
    (
        "rules: {people: [{of: '*', who: '*', delivery: confirm}]}",
        ["config.yaml: rules.people[0].delivery: write 'allow' or 'block'"],
    ),
    (
        "rules: {people: [{of: '*', access: allow}]}",
        [
            "config.yaml: rules.people[0].who: is missing: About whom: a pattern, or `anonymous` for whoever does not "
            "say who they are (`access` only)."
        ],
    ),
    (
        "rules: {people: [{of: '*', who: '*', acess: allow}]}",
        ["config.yaml: rules.people[0].acess: unknown key; did you mean 'access'?"],
    ),
    (
        "rules: {people: [{of: '*', who: 'b o'}, {of: 'librea:*', who: anonymous, delivery: block}]}",
        [
            "config.yaml: rules.people[0].who: write a pattern without spaces and control characters, for example"
            " *@example.org",
            "config.yaml: rules.people[0]: decides nothing; add access, delivery or visibility",
            "config.yaml: rules.people[1].of: no network is called 'librea'; did you mean 'libera'?",
            "config.yaml: rules.people[1].who: anonymous goes with `access` only: nobody writes, or is watched, "
            "without a name",
        ],
    ),
    ("log: {level: verbose}", ["config.yaml: log.level: write 'debug', 'info', 'warning' or 'error'"]),
    ("netwroks: {}", ["config.yaml: netwroks: unknown key; did you mean 'networks'?"]),
    (
        "xyzzy: 1",
        [
            "config.yaml: xyzzy: unknown key; "
            + "known are: admins, archive, http, keep_bodies, keep_map, keeper, log, networks, rooms, rules, store"
        ],
    ),
    ("1: x", ["config.yaml: 1: line 1: YAML does not read this key as text; put it in quotes"]),
    (
        "on: {a: {no: x}}",
        [
            "config.yaml: on: line 1: YAML does not read this key as text; put it in quotes",
        ],
    ),
    ("http: {}", ["config.yaml: http: written twice, in lines 1 and 2; keep one"]),
]


@pytest.mark.parametrize(("line", "said"), ADDED, ids=[line for line, _ in ADDED])
def test_one_mistake_added(tmp_path: Path, line: str, said: list[str]) -> None:
    assert mistakes(tmp_path, f"{line}\n{GOOD}") == said


ALONE: list[tuple[str, str]] = [
    ("", "config.yaml: networks: is missing: Networks by name."),
    ("networks:\n", f"config.yaml: networks: {EMPTY}"),
    ("networks: {}\n", "config.yaml: networks: is empty: name at least one network, as in config.example.yaml"),
    ("networks: [a]\n", f"config.yaml: networks: {MAPPING}"),
    ("- networks\n", "config.yaml: write keys and values, as in config.example.yaml"),
    ("networks: {a: 1\n", "config.yaml: line 2, column 1: not YAML: expected ',' or '}', but got '<stream end>'"),
    (
        "a: b: c\n",
        "config.yaml: line 1, column 5: not YAML: mapping values are not allowed here; check the indentation",
    ),
    ("a: 1\n---\nb: 1\n", "config.yaml: line 2, column 1: not YAML: but found another document"),
    ("a: 2024-99-99\n", "config.yaml: not YAML: month must be in 1..12"),
    ("[" * 1_500, "config.yaml: not YAML: maximum recursion depth exceeded"),
]


@pytest.mark.parametrize(("text", "said"), ALONE, ids=[text[:20] or "empty" for text, _ in ALONE])
def test_a_file_that_is_wrong_as_a_whole(tmp_path: Path, text: str, said: str) -> None:
    found = mistakes(tmp_path, text)
    assert len(found) == 1
    assert found[0].startswith(said)


def test_several_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = (
        GOOD.replace("secret: office-secret", "scret: x")
        .replace("puppets: 50", "puppets: x")
        .replace("kind: matrix", "kind: martix")
        .replace("    libera:", "    librea:")
    )
    assert mistakes(tmp_path, "keep_map: 1\n" + text) == [
        "config.yaml: networks.home.kind: unknown kind; did you mean 'matrix'? installed: irc, matrix, xmpp",
        "config.yaml: rooms.lobby.librea: no network is called 'librea'; did you mean 'libera'?",
        f"config.yaml: keep_map: {DURATION}",
        "config.yaml: networks.office.secret: is missing: What the server and the component share.",
        "config.yaml: networks.office.scret: unknown key; did you mean 'secret'?",
        "config.yaml: networks.libera.puppets: write a whole number",
    ]


def test_networks_that_are_one(tmp_path: Path) -> None:
    second = GOOD.replace(
        "rooms:\n",
        """\
  office2: {kind: xmpp, domain: Bridge.example.org, secret: x, default: true}
  home2: {kind: matrix, homeserver: x, domain: other.example.org, as_token: as-token, hs_token: hs-token}
  libera2: {kind: irc, server: "ircs://irc.libera.chat:6697"}
  office3: {kind: xmpp, domain: three.example.org, secret: x, default: true}
rooms:
""",
    )
    assert mistakes(tmp_path, second) == [
        "config.yaml: networks.office3.default: 'office2' is the default of kind xmpp already; there can be one",
        "config.yaml: networks.office2.domain: the same as of 'office'; each component needs a domain of its own",
        "config.yaml: networks.home2.as_token: the same as of 'home'; the homeserver tells application services apart"
        " by it",
        "config.yaml: networks.home2.hs_token: the same as of 'home'; each network needs a token of its own",
        "config.yaml: networks.libera2.server: the same as of 'libera'; one network is enough for all channels of a"
        " server",
    ]


ENVIRONMENT: list[tuple[dict[str, str], str]] = [
    (
        {"RIALTO_HTPP__LISTEN": "127.0.0.1:1"},
        "environment: RIALTO_HTPP__LISTEN: unknown key; did you mean 'RIALTO_HTTP__LISTEN'?",
    ),
    (
        {"RIALTO_NETWORKS__OFFICE__SECRT": "x"},
        "environment: RIALTO_NETWORKS__OFFICE__SECRT: unknown key; did you mean 'secret'?",
    ),
    ({"RIALTO_XYZZY__A": "x"}, "environment: RIALTO_XYZZY__A: unknown key"),
    ({"RIALTO_KEEP_MAP": "90"}, f"environment: RIALTO_KEEP_MAP: {DURATION}"),
    ({"RIALTO_NETWORKS__LIBERA__PUPPETS": "x"}, "environment: RIALTO_NETWORKS__LIBERA__PUPPETS: write a whole number"),
    ({"RIALTO_RULES__DENY": "[oops"}, "environment: RIALTO_RULES__DENY: write a list: [one, two]"),
    (
        {"RIALTO_NETWORKS__LIBERA__TLS": '{"verify": "perhaps"}'},
        "environment: RIALTO_NETWORKS__LIBERA__TLS: networks.libera.tls.verify: write true or false",
    ),
    (
        {"RIALTO_NETWORKS__NEW__KIND": "irk"},
        "environment: RIALTO_NETWORKS__NEW__KIND: unknown kind; did you mean 'irc'? installed: irc, matrix, xmpp",
    ),
    (
        {"RIALTO_NETWORKS__OFFICE__SECRET__FILE": "/no/such/file"},
        "environment: RIALTO_NETWORKS__OFFICE__SECRET__FILE: /no/such/file cannot be read: No such file or directory",
    ),
]


@pytest.mark.parametrize(("env", "said"), ENVIRONMENT, ids=[next(iter(env)) for env, _ in ENVIRONMENT])
def test_a_mistake_in_the_environment_is_laid_to_it(tmp_path: Path, env: dict[str, str], said: str) -> None:
    assert mistakes(tmp_path, GOOD, env) == [said]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "other.yaml", {}, FACTORIES)
    assert str(caught.value) == (
        f"other.yaml: no such file in {tmp_path}; copy config.example.yaml there, or name another file with -c"
    )


def test_files_that_are_no_text_or_too_large(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"a: \xff")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        load(path, {}, FACTORIES)
    path.write_bytes(b"#" * 1_000_001)
    with pytest.raises(ConfigError, match="is larger than 1000000 bytes"):
        load(path, {}, FACTORIES)
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path, {}, FACTORIES)


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines\n", b"a\0b", b"\xff", b"x" * 70_000])
def test_a_value_file_holds_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "value").write_bytes(content)
    found = mistakes(tmp_path, GOOD.replace("secret: office-secret", "secret: {file: value}"))
    assert len(found) == 1
    assert found[0].startswith("config.yaml: networks.office.secret.file: value ")


def test_no_mistake_repeats_a_secret(tmp_path: Path) -> None:
    hidden = "s3cr3t-value"
    changes = [
        ("secret: office-secret", f"secret: [{hidden}]"),
        ("secret: office-secret", f"secret: !{hidden}"),
        ("secret: office-secret", f"secret: *{hidden}"),
        ("secret: office-secret", f"secrt: {hidden}"),
        ("admin_token: admin-token", f"admin_token: {hidden} x"),
        ("  libera:\n", f"  office: {{secret: {hidden}}}\n  libera:\n"),
    ]
    for old, new in changes:
        assert hidden not in "\n".join(mistakes(tmp_path, GOOD.replace(old, new, 1)))
