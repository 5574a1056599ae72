"""People for the tests of the XMPP adapter: independent slixmpp clients, each with an account of its own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from bridge.demo.clients import XmppClient
from bridge.demo.servers import Prosody
from tests.networks.xmpp.xmpp_lab import NewClient


@pytest_asyncio.fixture
async def new_client(unique: str) -> AsyncIterator[NewClient]:
    """Logs in a client on a server, with a new account whose name begins with a word."""
    async with AsyncExitStack() as stack:

        async def make(prosody: Prosody, word: str) -> XmppClient:
            jid = await prosody.register(f"{word}{unique}", "password")
            return await stack.enter_async_context(XmppClient(jid, "password", prosody.c2s_port))

        yield make


@pytest.fixture
def room(unique: str, prosody: Prosody) -> str:
    """A room on the shared server that no other test has."""
    return f"{unique}@{prosody.muc}"
