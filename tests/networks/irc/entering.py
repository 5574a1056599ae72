"""What the tests of the way in share: an adapter that may be refused, and questions to the server about us."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.irc import ADAPTER, IrcSettings
from adapters.irc.adapter import IrcAdapter
from bridge.contract import Context
from bridge.model.room import Member
from tests.networks.irc.irc_lab import Human, RecordingCore, until


@asynccontextmanager
async def trying(server: str, *members: Member, **settings: Any) -> AsyncIterator[RecordingCore]:
    """The core of an adapter that was started and may never come online."""
    core = RecordingCore("libera", members)
    values: dict[str, Any] = {"server": server, "nick": "rialto", "flood": {"burst": 1000, "per_second": 1000}}
    adapter = ADAPTER.create(
        IrcSettings.model_validate(values | settings), Context("libera", "http://127.0.0.1", Path())
    )
    assert isinstance(adapter, IrcAdapter)
    await adapter.start(core)
    try:
        yield core
    finally:
        await adapter.stop()


async def refusal(server: str, *members: Member, **settings: Any) -> str:
    """Why the adapter did not come in; it is stopped again."""
    async with trying(server, *members, **settings) as core:
        await until(lambda: core.failures, "refusal", lambda: core.onlines)
        assert not core.is_online
        return core.failures[0].text


async def whois(human: Human, nick: str) -> dict[str, tuple[str, ...]]:
    """What WHOIS says of somebody: the parameters of each numeric."""
    start = len(human.lines)
    human.send(f"WHOIS {nick}")
    await until(
        lambda: any(line.command == "318" for line in human.lines[start:]), f"WHOIS of {nick}", lambda: human.tail()
    )
    return {line.command: line.params for line in human.lines[start:] if re.fullmatch(r"\d{3}", line.command)}
