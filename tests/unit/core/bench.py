"""A whole core over loopback networks, put together for a test as `bridge.service` does for an operator."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from pydantic import BaseModel

from bridge.admission import Admission
from bridge.archive import KEEP_NOTHING, Keeping
from bridge.breaker import Breaker
from bridge.config import Attachment, Config, Http, Listen, Log
from bridge.contract import Adapter, Context
from bridge.conversations import Conversations
from bridge.demo.servers import free_ports
from bridge.model.address import Address, Person, Place
from bridge.model.event import Event, Origin
from bridge.model.message import Message, Text
from bridge.model.room import Member, Room
from bridge.rules import Rules
from bridge.service import Service
from tests.unit.core.loopback import Loopback
from tests.unit.stores import store_url

HOME, OFFICE, LIBERA = (
    Place("home", "#tea:example.org"),
    Place("office", "tea@conference.example.org"),
    Place("libera", "#tea"),
)
KINDS = {"home": "matrix", "office": "xmpp", "libera": "irc"}


def person(name: str, network: str = "home") -> Person:
    return Person(Address(network, name.lower()), name)


_ids = iter(range(10**9))


def said(text: str, by: Person, place: Place = HOME, native_id: str | None = None, when: float = 1e9) -> Event:
    return Event(Origin(place.network, native_id or f"native{next(_ids)}"), place, by, when, Message(Text(text)))


def everybody() -> Admission:
    """Rules that let everybody in."""
    rules = Rules()
    return Admission(rules, Conversations(rules, {}, in_rooms=lambda address: True), Breaker(time.monotonic, print))


class Empty(BaseModel):
    """No keys."""


class LoopbackFactory:
    """Gives out an adapter made by the test."""

    kind: ClassVar[str] = "loopback"
    settings: ClassVar[type[BaseModel]] = Empty

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter

    def create(self, settings: Any, context: Context) -> Adapter:
        return self._adapter

    def place(self, native: str, settings: Any) -> str:
        return native

    def person(self, native: str, settings: Any) -> str:
        return native

    def registration(self, settings: Any, context: Context) -> str:
        return ""


def config(
    folder: Path, adapters: Mapping[str, Loopback], rules: Rules | None = None, archive: Keeping = KEEP_NOTHING
) -> Config:
    return Config(
        path=folder / "config.yaml",
        store=store_url(folder),
        http=Http(listen=Listen("127.0.0.1", free_ports(1)[0])),
        networks=MappingProxyType(
            {
                name: Attachment(name, KINDS[name], LoopbackFactory(adapter), Empty(), default=KINDS[name] != "irc")
                for name, adapter in adapters.items()
            }
        ),
        rooms=(Room("tea", tuple(Member(place) for place in (HOME, OFFICE, LIBERA) if place.network in adapters)),),
        rules=rules or Rules(),
        admins=(),
        keep_bodies=3600,
        keep_map=90 * 86400,
        log=Log(),
        archive=archive,
    )


@asynccontextmanager
async def running(
    folder: Path, adapters: Mapping[str, Loopback], rules: Rules | None = None, archive: Keeping = KEEP_NOTHING
) -> AsyncIterator[Service]:
    service = Service(config(folder, adapters, rules, archive))
    stop = asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    try:
        for adapter in adapters.values():
            started = asyncio.create_task(adapter.started.wait())
            await asyncio.wait((task, started), timeout=5, return_when=asyncio.FIRST_COMPLETED)
            if not started.done():
                started.cancel()
                stop.set()
                await task
                raise AssertionError("the service did not start its adapters")
        yield service
    finally:
        stop.set()
        await task
