"""What a sound configuration becomes."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from bridge.archive import Keeping
from bridge.config import Config, Listen, load, names
from bridge.contract import Context
from bridge.model.address import Address, Place
from bridge.model.room import Direction, Member, Room
from bridge.model.rule import ANONYMOUS, Decision, RuleKind
from bridge.rules import Pattern, Policy, Rules
from tests.unit.config.fakes import FACTORIES, GOOD, write


def loaded(folder: Path, text: str = GOOD, env: dict[str, str] | None = None) -> Config:
    return load(write(folder, text), env or {}, FACTORIES)


def setting(config: Config, network: str, key: str) -> Any:
    value = getattr(config.networks[network].settings, key)
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def test_the_parts_of_a_good_file(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    assert list(config.networks) == ["office", "home", "libera"]
    assert config.store == f"sqlite:///{tmp_path}/rialto.db"
    assert config.http.listen == Listen("127.0.0.1", 29330)
    assert (config.keep_bodies, config.keep_map) == (3_600, 7_776_000)
    assert (config.log.level, config.log.format) == ("info", "console")
    assert config.rules == Rules(None, ())
    assert config.warnings == ()
    assert config.rooms == (
        Room(
            "lobby",
            (
                Member(Place("office", "lobby@conference.example.org")),
                Member(Place("home", "#lobby:example.org")),
                Member(Place("libera", "#lobby")),  # canonical, by the factory
            ),
        ),
    )
    for name, attachment in config.networks.items():
        assert attachment.name == name
        assert isinstance(attachment.settings, attachment.factory.settings)


def test_settings_are_frozen_and_hide_secrets(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    for secret in ("office-secret", "as-token", "hs-token", "admin-token"):
        assert secret not in repr(config)
    with pytest.raises(AttributeError):
        config.store = "x"  # type: ignore[misc]  # what must not work
    with pytest.raises(ValueError, match="frozen"):
        config.networks["office"].settings.domain = "x"  # type: ignore[attr-defined]  # what must not work


def test_the_first_of_a_federated_kind_owns_bare_domains_unless_another_says_so(tmp_path: Path) -> None:
    second = "  office2: {kind: xmpp, domain: two.example.org, secret: x}\n"
    owners = {
        name: each.default
        for name, each in loaded(tmp_path, GOOD.replace("rooms:", second + "rooms:")).networks.items()
    }
    assert owners == {"office": True, "home": True, "libera": False, "office2": False}
    flagged = second.replace("secret: x", "secret: x, default: true")
    owners = {
        name: each.default
        for name, each in loaded(tmp_path, GOOD.replace("rooms:", flagged + "rooms:")).networks.items()
    }
    assert owners == {"office": False, "home": True, "libera": False, "office2": True}


def test_names_follow_the_networks(tmp_path: Path) -> None:
    known = names(loaded(tmp_path))
    assert known.xmpp_local(Address("home", "@ana:matrix.org")) == "ana%matrix.org"
    assert known.xmpp_local(Address("libera", "kestrel")) == "kestrel%libera"


def test_places_in_every_form(tmp_path: Path) -> None:
    places = '[{id: "#A", key: sesame, members: no, direction: in}, "#b"]'
    room = loaded(tmp_path, GOOD.replace('libera: "#Lobby"', f"libera: {places}")).rooms[0]
    assert room.members[2:] == (
        Member(Place("libera", "#a"), Direction.IN, "sesame", puppets=False),
        Member(Place("libera", "#b")),
    )
    room = loaded(tmp_path, GOOD.replace('libera: "#Lobby"', 'libera: {id: "#A", direction: out}')).rooms[0]
    assert room.members[2] == Member(Place("libera", "#a"), Direction.OUT)


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    env = {
        "RIALTO_STORE": "sqlite:////tmp/other.db",
        "RIALTO_HTTP__LISTEN": "[::1]:8080",
        "RIALTO_NETWORKS__OFFICE__SECRET": "from-the-environment",
        "RIALTO_NETWORKS__LIBERA__PUPPETS": "7",
        "RIALTO_NETWORKS__LIBERA__ENCODINGS": '["koi8-r"]',
        "RIALTO_NETWORKS__LIBERA__TLS__VERIFY": "false",
        "RIALTO_NETWORKS__LIBERA__PASSWORD": "[not json, but a password",
        "RIALTO_NETWORKS__COPY__KIND": "irc",  # a network that the file does not know, called like a model's attribute
        "RIALTO_NETWORKS__COPY__SERVER": "irc://127.0.0.1",
        "RIALTO_ROOMS__LOBBY__LIBERA": '{"id": "#elsewhere", "members": false}',
        "RIALTO_ROOMS__LOBBY__COPY": "#Lobby",
        "RIALTO_RULES__DENY": '["copy:*"]',
        "RIALTO_LOG__FORMAT": "json",
        "RIALTO_LOG__LEVEL": "",  # empty is not set
        "RIALTO_CONFIG": "elsewhere.yaml",
        "UNRELATED__KEY": "x",
    }
    config = loaded(tmp_path, GOOD, env)
    assert config.store == "sqlite:////tmp/other.db"
    assert config.http.listen == Listen("::1", 8080)
    assert setting(config, "office", "secret") == "from-the-environment"
    assert setting(config, "office", "domain") == "bridge.example.org"
    assert setting(config, "libera", "puppets") == 7
    assert setting(config, "libera", "encodings") == ["koi8-r"]
    assert setting(config, "libera", "password") == "[not json, but a password"
    assert setting(config, "libera", "tls").verify is False
    assert list(config.networks) == ["office", "home", "libera", "copy"]
    assert [str(member.place) for member in config.rooms[0].members] == [
        "office:lobby@conference.example.org",
        "home:#lobby:example.org",
        "libera:#elsewhere",
        "copy:#lobby",
    ]
    assert config.rooms[0].members[2].puppets is False
    assert config.rules == Rules(None, (Pattern("copy:*"),))
    assert (config.log.level, config.log.format) == ("info", "json")
    assert config.warnings == ()


def test_the_whole_networks_section_from_the_environment(tmp_path: Path) -> None:
    both = '{"a": {"kind": "irc", "server": "irc://a"}, "b": {"kind": "irc", "server": "irc://b", "puppets": 1}}'
    config = loaded(tmp_path, "{}", {"RIALTO_NETWORKS": both, "RIALTO_NETWORKS__B__PUPPETS": "2"})
    assert setting(config, "a", "server") == "irc://a"
    assert setting(config, "b", "puppets") == 2


def test_values_from_files(tmp_path: Path) -> None:
    (tmp_path / "office").write_text("from a file\n")
    (tmp_path / "sesame").write_text("sésame")
    text = GOOD.replace("secret: office-secret", "secret: {file: office}").replace(
        'libera: "#Lobby"', 'libera: {id: "#lobby", key: {file: sesame}}'
    )
    config = loaded(tmp_path, text, {"RIALTO_NETWORKS__HOME__AS_TOKEN__FILE": str(tmp_path / "office")})
    assert setting(config, "office", "secret") == "from a file"
    assert setting(config, "home", "as_token") == "from a file"
    assert config.rooms[0].members[2].key == "sésame"


def test_a_variable_goes_before_a_value_file(tmp_path: Path) -> None:
    text = GOOD.replace("secret: office-secret", "secret: {file: nowhere}")
    assert setting(loaded(tmp_path, text, {"RIALTO_NETWORKS__OFFICE__SECRET": "x"}), "office", "secret") == "x"


def test_warnings(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace("admin_token: admin-token", "public_url: https://b.example.org"))
    path.write_text(path.read_text().replace("office-secret", "change-me-please"))
    path.chmod(0o644)
    config = load(path, {"RIALTO_STOER": "x", "RIALTO_PORT": "tcp://10.0.0.1:80"}, FACTORIES)
    assert config.warnings == (
        "environment: RIALTO_PORT: is not a key of the configuration and is passed over",
        "environment: RIALTO_STOER: is not a key of the configuration and is passed over; did you mean 'RIALTO_STORE'?",
        "config.yaml: http.public_url: nothing uses it yet; links to files come later",
        "config.yaml: networks.office.secret: is the example's: write your own"
        " (what you choose yourself: openssl rand -hex 32)",
        "config.yaml: everybody on this machine can read it (mode 644), and it holds networks.office.secret;"
        " run: chmod o-r config.yaml",
    )


def test_a_readable_file_without_secrets_is_fine(tmp_path: Path) -> None:
    (tmp_path / "value").write_text("a-secret")
    text = GOOD.replace("http:\n  admin_token: admin-token\n", "")
    for secret in ("office-secret", "as-token", "hs-token"):
        text = text.replace(f": {secret}", f": {{file: {secret}}}")
        (tmp_path / secret).write_text(secret)
    path = write(tmp_path, text)
    path.chmod(0o644)
    assert load(path, {}, FACTORIES).warnings == ()


def test_no_rooms_is_worth_a_warning(tmp_path: Path) -> None:
    assert loaded(tmp_path, GOOD[: GOOD.index("rooms:")]).warnings == (
        "config.yaml: rooms: there are none, so that only private messages cross",
    )


def test_the_context_of_a_factory(tmp_path: Path) -> None:
    config = loaded(tmp_path, GOOD.replace("admin_token: admin-token", "listen: 0.0.0.0:29331"))
    assert config.context("home") == Context("home", "http://127.0.0.1:29331/home", tmp_path)
    assert config.folder == tmp_path


def test_aliases_and_merge_keys_are_yaml_as_usual(tmp_path: Path) -> None:
    text = GOOD.replace("  libera:\n    kind: irc\n", "  libera: &irc\n    kind: irc\n").replace(
        "rooms:\n", "  oftc:\n    <<: *irc\n    server: irc://irc.oftc.net\nrooms:\n"
    )
    config = loaded(tmp_path, text)
    assert setting(config, "oftc", "server") == "irc://irc.oftc.net"
    assert setting(config, "oftc", "puppets") == 50


def test_a_factory_model_that_allows_unknown_keys_does_not_open_the_file(tmp_path: Path) -> None:
    class Loose(BaseModel, extra="allow"):
        server: str

    from tests.unit.config.fakes import Fake

    kinds: Any = {"irc": Fake("irc", Loose, "#")}
    path = write(tmp_path, "networks: {a: {kind: irc, server: x, sevrer: y}}")
    with pytest.raises(Exception, match=r"networks.a.sevrer: unknown key; did you mean 'server'\?"):
        load(path, {}, kinds)


def test_nothing_is_archived_unless_it_is_said_for_how_long(tmp_path: Path) -> None:
    assert loaded(tmp_path).archive == Keeping()
    wanted = GOOD + "archive: {keep: 365d, omit: [lobby], private: true}\n"
    assert loaded(tmp_path, wanted).archive == Keeping(365 * 86400, frozenset({"lobby"}), private=True)


@pytest.mark.conforms("RFC2779:2.1.5")
def test_any_number_of_networks(tmp_path: Path) -> None:
    many = "".join(f"  net{number}:\n    kind: irc\n    server: irc://irc{number}.example\n" for number in range(1000))
    config = loaded(tmp_path, GOOD.replace("rooms:", many + "rooms:"))
    assert len(config.networks) == 1003
    assert setting(config, "net999", "server") == "irc://irc999.example"


def test_what_the_operator_decides_for_people(tmp_path: Path) -> None:
    text = """
rules:
  people:
    - {of: "*", who: anonymous, access: polite-block}
    - {of: "*@example.org", who: "*", access: confirm, delivery: block, visibility: allow}
"""
    everybody, local = Pattern("*"), Pattern("*@example.org")
    assert loaded(tmp_path, GOOD + text).rules.people == (
        Policy(everybody, RuleKind.ACCESS, ANONYMOUS, Decision.POLITE_BLOCK),
        Policy(local, RuleKind.ACCESS, "*", Decision.CONFIRM),
        Policy(local, RuleKind.DELIVERY, "*", Decision.BLOCK),
        Policy(local, RuleKind.VISIBILITY, "*", Decision.ALLOW),
    )
