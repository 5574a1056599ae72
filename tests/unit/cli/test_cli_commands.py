"""The commands that touch no network, through typer's own runner."""

import os
import stat
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bridge.cli import app

CONFIG = """\
http:
  admin_token: admin-token
networks:
  office: {kind: xmpp, domain: bridge.example.org, secret: office-secret}
  home: {kind: matrix, homeserver: "http://127.0.0.1:8008", domain: example.org, as_token: as-tok, hs_token: hs-tok}
  libera: {kind: irc, server: "ircs://irc.libera.chat:6697", nick: rialto}
rooms:
  lobby: {office: lobby@conference.example.org, home: "#lobby:example.org", libera: "#lobby"}
  tea: {office: tea@conference.example.org, libera: "#tea"}
"""


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Runs commands in a folder with a sound config.yaml."""
    for name in [name for name in os.environ if name.startswith("RIALTO_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    write(CONFIG)
    return CliRunner()


def write(text: str, name: str = "config.yaml") -> None:
    path = Path(name)
    path.write_text(text)
    path.chmod(0o600)


def test_check_says_that_all_is_well(runner: CliRunner) -> None:
    result = runner.invoke(app, ["check"])
    assert (result.exit_code, result.output) == (0, "config.yaml is fine: 3 networks, 2 rooms\n")


def test_check_takes_a_file_by_option_or_environment(runner: CliRunner) -> None:
    write(CONFIG[: CONFIG.index("  tea:")], "other.yaml")
    for arguments, env in ((["-c", "other.yaml"], {}), ([], {"RIALTO_CONFIG": "other.yaml"})):
        result = runner.invoke(app, ["check", *arguments], env=env)
        assert (result.exit_code, result.output) == (0, "other.yaml is fine: 3 networks, 1 room\n")


def test_check_lists_mistakes_and_ends_with_2(runner: CliRunner) -> None:
    write(CONFIG.replace("secret: o", "secrt: o").replace("admin_token: admin-token", "lisen: x"))
    result = runner.invoke(app, ["check"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "config.yaml: http.lisen: unknown key; did you mean 'listen'?",
        "config.yaml: networks.office.secret: is missing: The component's secret, as it stands in the server's"
        " configuration.",
        "config.yaml: networks.office.secrt: unknown key; did you mean 'secret'?",
    ]


def test_check_warns_of_a_file_that_all_can_read(runner: CliRunner) -> None:
    Path("config.yaml").chmod(0o644)
    result = runner.invoke(app, ["check"])
    assert result.exit_code == 0
    assert result.stderr == (
        "warning: config.yaml: everybody on this machine can read it (mode 644), and it holds http.admin_token;"
        " run: chmod o-r config.yaml\n"
    )


def test_a_missing_file(runner: CliRunner) -> None:
    result = runner.invoke(app, ["run", "-c", "none.yaml"])
    assert result.exit_code == 2
    assert result.stderr.startswith("none.yaml: no such file in ")


@pytest.mark.parametrize(
    ("address", "lines"),
    [
        (
            "home:@ana:matrix.org",
            [
                "office xmpp ana%matrix.org@bridge.example.org",
                "home matrix @ana:matrix.org is at home here",
                "libera irc ana nick",
            ],
        ),
        (
            "libera:Kestrel",
            ["office xmpp kestrel%libera@bridge.example.org", "home matrix @_rialto_libera_kestrel:example.org"],
        ),
        ("office:bo@example.org", ["home matrix @_rialto_office_bo=40example.org:example.org", "libera irc bo nick"]),
        (
            "libera:#tea",
            ["office xmpp #tea%libera@bridge.example.org", "home matrix #_rialto_libera_=23tea:example.org"],
        ),
        # A person's bare id, as people know it.
        ("@ana:matrix.org", ["home matrix @ana:matrix.org is at home here"]),
        # A puppet's own id leads back to the person.
        ("office:ana%matrix.org@bridge.example.org", ["home matrix @ana:matrix.org is at home here"]),
        ("home:@_rialto_libera_kestrel:example.org", ["libera irc kestrel is at home here"]),
    ],
)
def test_resolve_prints_every_form(runner: CliRunner, address: str, lines: list[str]) -> None:
    result = runner.invoke(app, ["resolve", address])
    assert result.exit_code == 0, result.output
    rows = [" ".join(line.replace("│", " ").split()) for line in result.stdout.splitlines()]
    for line in lines:
        assert any(row.startswith(line) for row in rows), f"{line!r} is not in\n{result.stdout}"


def test_resolve_makes_the_nick_of_an_occupant_of_the_name(runner: CliRunner) -> None:
    occupant = "office:Lobby@conference.example.org/OccupantId"
    result = runner.invoke(app, ["resolve", occupant, "--name", "Ana B"])
    assert result.exit_code == 0
    assert "lobby@conference.example.org/OccupantId" in result.stdout
    assert " Ana_B " in result.stdout


def test_resolve_reads_no_markup_in_nicks(runner: CliRunner) -> None:
    assert "ana[home]" in runner.invoke(app, ["resolve", "home:@ana:matrix.org"]).stdout


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("lbera:kestrel", "no network is called 'lbera'; did you mean 'libera'?"),
        ("kestrel", "'kestrel' does not say on which network; write for example bo@example.org"),
        ("#tea", "'#tea' does not say on which network; write NETWORK:#tea, in quotes"),
        ("office:x@bridge.example.org", "lies among Rialto's own names"),
        ("home:#no-domain", "home:#no-domain: "),
    ],
)
def test_resolve_of_what_has_no_name(runner: CliRunner, address: str, said: str) -> None:
    result = runner.invoke(app, ["resolve", address])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert said in result.stderr


def test_registration_goes_to_standard_output(runner: CliRunner) -> None:
    result = runner.invoke(app, ["registration", "home"])
    assert result.exit_code == 0
    assert "as-tok" in result.stdout
    assert "http://127.0.0.1:29330/home" in result.stdout
    assert "bridge.example.org" in runner.invoke(app, ["registration", "office"]).stdout


def test_registration_into_a_file_that_only_its_owner_reads(runner: CliRunner) -> None:
    before = os.umask(0)
    try:
        result = runner.invoke(app, ["registration", "home", "-o", "rialto.yaml"])
    finally:
        os.umask(before)
    assert result.exit_code == 0
    assert result.stdout == ""
    path = Path("rialto.yaml")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == runner.invoke(app, ["registration", "home"]).stdout

    path.write_text("precious")
    path.chmod(0o644)
    refused = runner.invoke(app, ["registration", "home", "-o", "rialto.yaml"])
    assert (refused.exit_code, path.read_text()) == (2, "precious")
    assert "add --force" in refused.stderr
    assert runner.invoke(app, ["registration", "home", "-o", "rialto.yaml", "--force"]).exit_code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "as-tok" in path.read_text()


def test_registration_that_cannot_be_written(runner: CliRunner) -> None:
    result = runner.invoke(app, ["registration", "home", "-o", "no/such/folder/x.yaml"])
    assert result.exit_code == 1
    assert result.stderr == "no/such/folder/x.yaml cannot be written: No such file or directory\n"


def test_registration_of_an_unknown_network(runner: CliRunner) -> None:
    result = runner.invoke(app, ["registration", "hoem"])
    assert result.exit_code == 2
    assert result.stderr == "config.yaml: no network is called 'hoem'; did you mean 'home'?\n"


def test_version(runner: CliRunner) -> None:
    result = runner.invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"rialto {version('rialto-bridge')}\n")


@pytest.mark.parametrize("command", ["run", "check", "registration", "resolve", "status", "demo"])
def test_every_command_has_help_with_an_example(runner: CliRunner, command: str) -> None:
    result = runner.invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Example" in result.stdout
    assert f"rialto {command}" in result.stdout
    assert command in runner.invoke(app, ["--help"]).stdout


def test_usage_mistakes_end_with_2(runner: CliRunner) -> None:
    assert runner.invoke(app, ["chek"]).exit_code == 2
    assert runner.invoke(app, ["resolve"]).exit_code == 2
    assert runner.invoke(app, ["check", "--nonsense"]).exit_code == 2


def test_status_needs_a_token(runner: CliRunner) -> None:
    write(CONFIG.replace("  admin_token: admin-token", "  listen: 127.0.0.1:29330"))
    result = runner.invoke(app, ["status"])
    assert result.exit_code == 2
    assert result.stderr == ("config.yaml: http.admin_token: is not set, so the API is closed; set it, and restart\n")


def test_python_m_bridge_is_the_command(runner: CliRunner) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "check"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "config.yaml is fine: 3 networks, 2 rooms\n"), done.stderr


def test_an_account_has_no_names_for_others(runner: CliRunner, tmp_path: Path) -> None:
    file = tmp_path / "accounts.yaml"
    network = "{{kind: xmpp, mode: client, jid: {0}@jabber.example, password: secret-of-{0}}}"
    irc = "{kind: irc, server: 'ircs://irc.example.org', nick: rialto}"
    networks = f"networks: {{friends: {network.format('one')}, more: {network.format('two')}, libera: {irc}}}\n"
    file.write_text(networks)
    file.chmod(0o600)
    result = runner.invoke(app, ["resolve", "-c", str(file), "ana@jabber.example"])
    assert result.exit_code == 0, result.output
    assert "/msg rialto ana@jabber.example ..." in " ".join(result.stdout.split())
    result = runner.invoke(app, ["resolve", "-c", str(file), "libera:kestrel"])
    assert "has no puppets" in result.stdout
