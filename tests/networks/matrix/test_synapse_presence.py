"""Presence over a real Synapse: what users show, what puppets show, and servers that have none of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.demo.servers import Synapse, free_ports
from bridge.model.address import Address, Place, PlaceKind
from bridge.model.presence import Activity, Basic, Presence, Tuple
from tests.networks.matrix.account_lab import Proxy
from tests.networks.matrix.conftest import Home, registered
from tests.networks.matrix.support import RecordingCore, User, part, person, running

NewUser = Callable[[Home, str], Awaitable[User]]
NewSynapse = Callable[..., Awaitable[Synapse]]
HERE = Tuple("laptop", Basic.OPEN)
AWAY = Tuple("laptop", Basic.OPEN, frozenset({Activity.AWAY}), (("", "gone for tea"),))
GONE = Tuple("laptop", Basic.CLOSED)
BOT = "@rialto:localhost"


async def shows(user: User, whom: str, expected: Mapping[str, str], within: float = 60.0) -> None:
    """Wait until somebody shows this to the user."""
    seen: Any = None
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        seen = await user.presence_of(whom)
        if all(seen.get(key) == value for key, value in expected.items()):
            return
        await asyncio.sleep(0.05)  # not all changes of presence wake a /sync
    raise AssertionError(f"{whom} does not show {expected} within {within} s, but {seen}")


async def until_pushed(core: RecordingCore, change: Callable[[str], Awaitable[None]], label: str) -> None:
    """Wait until the homeserver pushes presence, which the adapter counts under the label.

    It does not while it takes us to be down, as it may for a moment after we have come back; and presence, other than
    events, is not pushed later. So there is one change after another, which `change` has shown, until one has come.
    """
    async with asyncio.timeout(60):
        while label not in core.labels:
            for state in ("online", "unavailable"):
                await change(state)


async def parlour(core: RecordingCore, user: User, puppet: str) -> str:
    """A room of two, with the puppet in it."""
    room_id = await user.room(preset="trusted_private_chat", invite=[puppet], is_direct=True)
    await core.until(lambda: '"open"' in core.memory.get(f"dm/{room_id}", ""), "the puppet in the room")
    return room_id


async def test_what_a_user_shows(home: Home, new_user: NewUser, unique: str) -> None:
    ana, bo = await new_user(home, f"ana-{unique}"), await new_user(home, f"bo-{unique}")
    core = RecordingCore()
    address, began = Address("home", ana.user_id), time.time()

    def last() -> Presence | None:
        return next((shown for shown in reversed(core.shown) if shown.presentity == address), None)

    async def told(basic: Basic, activities: frozenset[Activity], note: str = "") -> Presence:
        notes = (("", note),) if note else ()

        def right() -> Presence | None:
            shown = last()
            (device,) = shown.tuples if shown else (None,)
            same = device and (device.basic, device.activities, device.notes) == (basic, activities, notes)
            return shown if same else None

        return await core.until(right, f"{basic} {activities} {note!r}")

    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        puppet = f"@_rialto_libera_kestrel-{unique}:localhost"
        await parlour(core, ana, puppet)
        kestrel = person(f"kestrel-{unique}").address

        async def puppet_shows(state: str) -> None:
            adapter.show(Presence(kestrel, (HERE if state == "online" else AWAY,)))
            await shows(ana, puppet, {"presence": state})

        # What our own puppet shows is pushed as well. From then on, everything is.
        await until_pushed(core, puppet_shows, "own presence")
        await ana.show("online", status_msg="at my desk")
        await told(Basic.OPEN, frozenset(), "at my desk")
        await ana.show("unavailable", status_msg="tea\x00time")
        shown = await told(Basic.OPEN, frozenset({Activity.AWAY}), "tea\ufffdtime")
        assert began - 120 < (shown.tuples[0].idle_since or 0) < time.time() + 120, "to the minute"
        await ana.show("offline")
        await told(Basic.CLOSED, frozenset())
        assert not [shown for shown in core.shown if shown.presentity.native.startswith("@_rialto")]

        # Asked for, when somebody wants to know: of those with whom a room is shared.
        await ana.show("online")
        await told(Basic.OPEN, frozenset())
        room_id = await bo.room(unique)
        await adapter._client.request("POST", "/_matrix/client/v3/join", room_id, body={})
        await bo.show("online", status_msg="new here")
        await core.until(lambda: bo.user_id in str(core.shown), "Bo's presence")
        core.shown.clear()
        adapter._heard.forget()
        adapter.watch(Address("home", bo.user_id), wanted=True)
        await core.until(lambda: bo.user_id in str(core.shown), "Bo's presence, asked for")
        adapter.watch(Address("home", f"@nobody-{unique}:localhost"), wanted=True)
        adapter.watch(Address("home", bo.user_id), wanted=False)

    # After a start, those whom a room is shared with are asked about.
    core.shown.clear()
    async with running(core, home.url, home.port):
        await core.until_online()
        await core.until(last, "Ana's presence, asked for at the start")


async def test_what_a_puppet_shows(home: Home, new_user: NewUser, unique: str) -> None:
    ana = await new_user(home, f"ana-{unique}")
    kestrel, owl = person(f"kestrel-{unique}"), person(f"owl-{unique}")
    puppets = [f"@_rialto_libera_{who.address.native}:localhost" for who in (kestrel, owl)]
    alias = f"#{unique}:localhost"
    await ana.room(unique)
    core = RecordingCore(alias)
    core.presences[kestrel.address] = Presence(kestrel.address, (GONE, AWAY))
    core.presences[owl.address] = Presence(owl.address, (HERE,))
    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        await parlour(core, ana, puppets[0])
        await shows(ana, puppets[0], {"presence": "unavailable", "status_msg": "gone for tea"})
        await adapter.join(Place("home", alias), owl)
        await shows(ana, puppets[1], {"presence": "online"})
        adapter.show(Presence(kestrel.address, (HERE, GONE)))
        await shows(ana, puppets[0], {"presence": "online"})
        assert "status_msg" not in await ana.presence_of(puppets[0])
        adapter.show(Presence(kestrel.address))
        await shows(ana, puppets[0], {"presence": "offline"})
        # Of those who have no puppet, nothing is told, and no puppet is made.
        adapter._showing._refresh = 3600.0
        before = adapter._client.requests
        adapter.show(Presence(person(f"wren-{unique}").address, (HERE,)))
        adapter.show(Presence(owl.address, (AWAY,)))
        await shows(ana, puppets[1], {"presence": "unavailable"})
        assert adapter._client.requests - before <= 2

        async def owl_shows(state: str) -> None:
            adapter.show(Presence(owl.address, (HERE if state == "online" else AWAY,)))
            await shows(ana, puppets[1], {"presence": state})

        await until_pushed(core, owl_shows, "own presence")
        assert adapter._heard.pushed

        # Whoever speaks is taken to be there by the homeserver; not for long.
        place = Place("home", ana.user_id, PlaceKind.USER)
        await adapter.meet(place, owl)
        await adapter.send(part(place, "hm", f"{unique}-0", owl, time.time())).confirmation
        await shows(ana, puppets[1], {"presence": "unavailable", "status_msg": "gone for tea"})

    # After a start, from what the core knows.
    core.presences[owl.address] = Presence(owl.address, (HERE,))
    async with running(core, home.url, home.port):
        await core.until_online()
        await shows(ana, puppets[1], {"presence": "online"})
    async with running(core, home.url, home.port, presence=False) as adapter:
        await core.until_online()
        core.shown.clear()
        adapter.show(Presence(owl.address, (GONE,)))
        adapter.watch(Address("home", ana.user_id), wanted=True)

        async def ana_shows(state: str) -> None:
            await ana.show(state, status_msg="nobody hears")
            await shows(ana, ana.user_id, {"presence": state})

        await until_pushed(core, ana_shows, "presence")
        assert not core.shown
        assert (await ana.presence_of(puppets[1]))["presence"] == "online"


async def test_presence_is_kept_from_lapsing(
    new_folder: Callable[[str], Path], new_synapse: NewSynapse, new_user: NewUser, unique: str
) -> None:
    """With a homeserver that takes presence back after 15 seconds: one puppet is told again, and one is not."""
    home = await _home(new_folder, new_synapse, {"enabled": True, "sync_online_timeout": "15s"})
    ana = await new_user(home, f"ana-{unique}")
    kestrel, owl = person(f"kestrel-{unique}"), person(f"owl-{unique}")
    puppets = [f"@_rialto_libera_{who.address.native}:localhost" for who in (kestrel, owl)]
    core = RecordingCore()
    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        adapter._showing._refresh = 1.0
        for puppet in puppets:
            await parlour(core, ana, puppet)
        adapter.show(Presence(kestrel.address, (AWAY,)))
        adapter.show(Presence(owl.address, (HERE,)))
        await shows(ana, puppets[0], {"presence": "unavailable"})
        await shows(ana, puppets[1], {"presence": "online"})
        del adapter._showing._shown[puppets[1]]
        await shows(ana, puppets[1], {"presence": "offline"}, within=90)  # it looks 30 s after its start, every 5 s
        for _ in range(10):
            assert (await ana.presence_of(puppets[0]))["presence"] == "unavailable"
            assert (await ana.presence_of(puppets[0]))["status_msg"] == "gone for tea"
            await asyncio.sleep(0.5)


async def test_a_homeserver_without_presence(
    new_folder: Callable[[str], Path], new_synapse: NewSynapse, new_user: NewUser, unique: str
) -> None:
    home = await _home(new_folder, new_synapse, {"enabled": False})
    ana = await new_user(home, f"ana-{unique}")
    kestrel = person(f"kestrel-{unique}")
    core = RecordingCore()
    with capture_logs() as logs:
        async with Proxy(home.url).standing() as proxy, running(core, proxy.url, home.port) as adapter:
            await core.until_online()
            await parlour(core, ana, f"@_rialto_libera_{kestrel.address.native}:localhost")
            await _logged(logs, "has no presence")

            def asked() -> int:
                return len([path for _, path in proxy.asked if "/presence/" in path])

            before = asked()
            assert before
            adapter.show(Presence(kestrel.address, (HERE,)))
            adapter.watch(Address("home", ana.user_id), wanted=True)
            await asyncio.sleep(1.5)  # nothing is to happen, and more than once there would have been time for it
            assert asked() == before
            await ana.show("online")
            assert not core.shown


async def test_an_old_registration(
    new_folder: Callable[[str], Path], new_synapse: NewSynapse, new_user: NewUser, unique: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A file from before the homeserver was asked to push presence: all else works, and the operator is told."""
    monkeypatch.setattr("adapters.matrix.showing.PUSHED_WITHIN", 1.0)
    (port,) = free_ports(1)
    path = registered(new_folder("registration"), port)
    lines = [line for line in path.read_text().splitlines() if "ephemeral" not in line]
    path.write_text("\n".join(lines))
    home = Home(await new_synapse(appservice=None, registrations=[path]), port)
    ana = await new_user(home, f"ana-{unique}")
    core = RecordingCore()
    with capture_logs() as logs:
        async with running(core, home.url, home.port):
            await core.until_online()
            await parlour(core, ana, f"@_rialto_libera_kestrel-{unique}:localhost")
            assert "rialto registration home" in (await _logged(logs, "pushes no presence"))["todo"]
            assert core.is_online


async def _logged(logs: Sequence[Mapping[str, Any]], words: str) -> Mapping[str, Any]:
    """Wait for a line of the log."""
    for _ in range(1200):
        for entry in logs:
            if words in entry["event"]:
                return entry
        await asyncio.sleep(0.05)  # a log wakes nobody
    raise AssertionError(f"nothing with {words!r} was logged, but {[entry['event'] for entry in logs]}")


async def _home(new_folder: Callable[[str], Path], new_synapse: NewSynapse, presence: Mapping[str, object]) -> Home:
    (port,) = free_ports(1)
    path = registered(new_folder("registration"), port)
    return Home(await new_synapse(appservice=None, registrations=[path], presence=presence), port)
