"""What has to pass a firewall: docs/operating.md says it, and the sockets of a running Rialto show it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bridge.demo.servers import NgIRCd, Prosody, Synapse
from tests.networks.conftest import appservice
from tests.networks.world import Stage, cast, port_of

LISTENS = "0A"
"""The state of a socket that listens, in /proc/net/tcp (Linux, include/net/tcp_states.h)."""


def sockets(pids: list[int]) -> Iterator[tuple[str, int, int]]:
    """State, local and remote port of each TCP socket that these processes hold."""
    held = set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            held.add(os.readlink(entry))
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            words = line.split()
            if f"socket:[{words[9]}]" in held:
                yield words[3], int(words[1].rpartition(":")[2], 16), int(words[2].rpartition(":")[2], 16)


def started_in(folder: Path) -> list[int]:
    """Rialto and its keeper: the processes whose command lines name the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(folder).encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
    return found


@pytest.mark.conforms("RFC2779:2.4.4")
async def test_one_port_listens_and_one_is_reached_for_each_network(
    prosody: Prosody, ngircd: NgIRCd, new_folder: Callable[[str], Path], unique: str
) -> None:
    """The table of docs/operating.md, row by row: nothing else has to be let through."""
    async with Synapse(new_folder("synapse"), appservice=appservice(path="/home")) as synapse:
        stage = Stage(new_folder("rialto"), unique, prosody, synapse, ngircd)
        async with cast(stage), stage.process():
            pids = started_in(stage.folder)
            assert len(pids) == 2, "Rialto and its keeper"
            found = set(sockets(pids))
        homeserver = urlsplit(synapse.url).port
        assert {local for state, local, _ in found if state == LISTENS} == {stage.http_port}
        pushes = {local for state, local, _ in found if state != LISTENS} & {stage.http_port}
        reached = {remote for state, local, remote in found if state != LISTENS and local not in pushes}
        assert reached == {prosody.component_port, homeserver, port_of(ngircd)}
