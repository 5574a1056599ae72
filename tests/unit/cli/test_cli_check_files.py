"""`rialto check` looks at the files that a configuration names, and at what others can read."""

import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bridge.cli import app
from bridge.demo.servers.certificates import make_certificate

CONFIG = """\
networks:
  libera: {{kind: irc, server: "{server}", nick: rialto{irc}}}
  office: {{kind: xmpp, mode: client, jid: bot@example.org, password: office-secret{xmpp}}}
rooms:
  lobby: {{office: lobby@conference.example.org, libera: "#lobby"}}
"""


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    for name in [name for name in os.environ if name.startswith("RIALTO_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return CliRunner()


def write(server: str = "ircs://irc.example.org", irc: str = "", xmpp: str = "") -> None:
    path = Path("config.yaml")
    text = CONFIG.format(server=server, irc=f", {irc}" if irc else "", xmpp=f", {xmpp}" if xmpp else "")
    path.write_text(text)
    path.chmod(0o600)


FINE = "config.yaml is fine: 2 networks, 1 room\n"


def test_files_that_are_not_there_are_mistakes(runner: CliRunner) -> None:
    write(irc="tls: {ca: ca.pem, cert: own.pem, key: own.key}", xmpp="tls: {ca: other.pem}")
    result = runner.invoke(app, ["check"])
    assert (result.exit_code, result.stdout) == (2, "")
    here, missing = Path.cwd(), "cannot be read (No such file or directory); write the path of a PEM file"
    assert result.stderr.splitlines() == [
        f"config.yaml: networks.libera.tls.ca: {here}/ca.pem {missing}",
        f"config.yaml: networks.libera.tls.cert: {here}/own.pem {missing}",
        f"config.yaml: networks.libera.tls.key: {here}/own.key {missing}",
        "config.yaml: networks.office.tls.ca: other.pem cannot be read as certificates (No such file or directory); "
        "write the path of a PEM file",
    ]


def test_a_file_named_by_the_environment_is_laid_to_it(runner: CliRunner) -> None:
    write()
    result = runner.invoke(app, ["check"], env={"RIALTO_NETWORKS__LIBERA__TLS__CA": "ca.pem"})
    assert result.exit_code == 2
    assert result.stderr.startswith(
        f"environment: RIALTO_NETWORKS__LIBERA__TLS__CA: {Path.cwd()}/ca.pem cannot be read"
    )


def test_files_that_hold_something_else_are_mistakes(runner: CliRunner) -> None:
    Path("text.pem").write_text("not a certificate")
    Path("folder").mkdir()
    write(irc="tls: {ca: text.pem}", xmpp="tls: {ca: text.pem}")
    result = runner.invoke(app, ["check"])
    assert result.exit_code == 2
    libera, office = result.stderr.splitlines()
    assert libera.startswith("config.yaml: networks.libera.tls.ca: the certificates in ")
    assert office.startswith("config.yaml: networks.office.tls.ca: text.pem cannot be read as certificates (")
    write(irc="tls: {ca: folder}")
    result = runner.invoke(app, ["check"])
    assert (result.exit_code, "networks.libera.tls.ca" in result.stderr) == (2, True)


def test_a_key_of_another_certificate_is_a_mistake(runner: CliRunner, tmp_path: Path) -> None:
    own, other = (make_certificate(tmp_path, name) for name in ("own", "other"))
    shutil.copy(other.key, "wrong.key")
    write(irc=f"tls: {{cert: {own.cert}, key: wrong.key}}")
    result = runner.invoke(app, ["check"])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"config.yaml: networks.libera.tls.cert: our certificate in {own.cert} or its key")
    write(irc=f"tls: {{ca: {own.cert}, cert: {own.cert}, key: {own.key}}}", xmpp=f"tls: {{ca: {own.cert}}}")
    result = runner.invoke(app, ["check"])
    assert (result.exit_code, result.output) == (0, FINE)


WARNINGS = {
    "any certificate, IRC": (
        {"irc": "tls: {verify: false}"},
        "networks.libera.tls.verify: any certificate is accepted, so that anybody on the way can read and change "
        "everything: name its authority in `ca`, or its fingerprint in `pin`",
    ),
    "any certificate, XMPP": (
        {"xmpp": "tls: {verify: false}"},
        "networks.office.tls.verify: any certificate is accepted, so that anybody on the way can read and change "
        "everything: name its authority in `ca`",
    ),
    "a password without TLS": (
        {"server": "irc://irc.example.org", "irc": "password: sesame, sasl: {user: ana, password: mellon}"},
        "networks.libera.server: without TLS anybody on the way can read the passwords of `password` and `sasl`: "
        "write ircs://",
    ),
    "no TLS": (
        {"xmpp": "tls: {plain: true}"},
        "networks.office.tls.plain: anybody on the way can read the password, and all that is said: leave it out",
    ),
}


@pytest.mark.parametrize("case", WARNINGS)
def test_what_others_can_read_is_warned_of(runner: CliRunner, case: str) -> None:
    changes, words = WARNINGS[case]
    write(**changes)
    result = runner.invoke(app, ["check"])
    assert (result.exit_code, result.stdout) == (0, FINE)
    assert result.stderr == f"warning: config.yaml: {words}\n"


def test_what_never_leaves_the_machine_is_not_warned_of(runner: CliRunner) -> None:
    tls = "tls: {verify: false}"
    write("irc://127.0.0.1:6667", f"password: sesame, {tls}", f'server: "127.0.0.1:5222", {tls}')
    result = runner.invoke(app, ["check"])
    assert (result.exit_code, result.output) == (0, FINE)
