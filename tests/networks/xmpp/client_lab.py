"""What the tests of the account share: a Prosody as such servers are set up, the adapter at work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.xmpp.account.adapter import AccountAdapter
from adapters.xmpp.account.settings import AccountSettings
from bridge.demo.servers import Prosody
from tests.networks.xmpp.xmpp_lab import CONTEXT, RecordingCore

PASSWORD = "bot-password"


class Server(Prosody):
    """A Prosody with stream management and offline messages, and whatever else its configuration is told."""

    def __init__(self, folder: Path, *, extra: str = "", tls: str = "", smacks: bool = True, **more: Any) -> None:
        super().__init__(folder, **more)
        self.extra = extra
        self.tls = tls
        self.smacks = smacks

    def _prepare(self) -> None:
        super()._prepare()
        text = self.config.read_text()
        wanted = '"carbons"; "offline"; ' + ('"smacks"; ' if self.smacks else "") + ('"tls"; ' if self.tls else "")
        text = text.replace('"carbons"; ', wanted)
        if self.tls:
            text = text.replace("c2s_require_encryption = false", "c2s_require_encryption = true")
            text = text.replace('modules_disabled = { "s2s"; "tls" }', 'modules_disabled = { "s2s" }\n' + self.tls)
        self.config.write_text(text.replace("\nVirtualHost", f"\n{self.extra}\nVirtualHost", 1))

    async def account(self, name: str) -> str:
        """An account for a bot."""
        return await self.register(name, PASSWORD)


def account(prosody: Prosody, jid: str, **changes: Any) -> AccountSettings:
    """The settings of an account on a server of this machine."""
    values: dict[str, Any] = {
        "mode": "client",
        "jid": jid,
        "password": PASSWORD,
        "server": f"127.0.0.1:{prosody.c2s_port}",
    }
    return AccountSettings(**values | changes)


@asynccontextmanager
async def at_work(
    settings: AccountSettings, core: RecordingCore, *, there: bool = True
) -> AsyncIterator[AccountAdapter]:
    """An adapter; online, with its bot in all rooms, unless `there` is false."""
    adapter = AccountAdapter(settings, CONTEXT)
    await adapter.start(core)
    try:
        if there:
            await present(adapter, core)
        yield adapter
    finally:
        await adapter.stop()


async def present(adapter: AccountAdapter, core: RecordingCore) -> None:
    """Wait until the bot is everywhere."""
    await core.until("online", lambda: core.is_online)
    for place in core.places:
        try:
            async with asyncio.timeout(30):
                await adapter._attended.find(place).here.wait()
        except TimeoutError:
            raise AssertionError(f"the bot is not in {place}: {core.standing}, {core.log}") from None
