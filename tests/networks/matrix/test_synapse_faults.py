"""The adapter over a real Synapse: restarts, absences, replays, and tokens that do not fit."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from adapters.matrix.adapter import MatrixAdapter
from bridge.contract import SendError
from bridge.demo.servers import free_ports
from bridge.model.address import Address, Person, Place
from bridge.model.event import Event, Roster
from bridge.model.message import Message, Text
from bridge.model.result import Reason
from tests.networks.matrix.account_lab import Proxy
from tests.networks.matrix.conftest import Home
from tests.networks.matrix.support import HS_TOKEN, RecordingCore, User, bodies, part, person, running

NewUser = Callable[[Home, str], Awaitable[User]]


async def push(home: Home, transaction: str, events: list[dict[str, Any]], token: str = HS_TOKEN) -> int:
    """What the homeserver would push; returns the status of the answer."""
    url = f"http://127.0.0.1:{home.port}/home/_matrix/app/v1/transactions/{transaction}"
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.put(url, json={"events": events}, headers=headers) as answer,
    ):
        return answer.status


async def test_a_transaction_sent_twice(home: Home, new_user: NewUser, unique: str) -> None:
    ana = await new_user(home, f"ana-{unique}")
    room_id = await ana.room(unique)
    alias = f"#{unique}:localhost"
    core = RecordingCore(alias)
    pdu = {
        "type": "m.room.message",
        "event_id": f"$twice-{unique}",
        "room_id": room_id,
        "sender": ana.user_id,
        "origin_server_ts": 1,
        "content": {"msgtype": "m.text", "body": "once"},
    }
    async with running(core, home.url, home.port):
        await core.until_online()
        assert await push(home, "7", [pdu]) == 200
        assert await push(home, "7", [pdu]) == 200
        # The same number with another event, as after a restart of Synapse: nothing is decided by the number.
        assert await push(home, "7", [pdu | {"event_id": f"$other-{unique}"}]) == 200
        said = [event.origin.native_id for event in core.events() if event.content == Message(Text("once"))]
        assert said == [f"$twice-{unique}", f"$other-{unique}"]
        assert await push(home, "8", [pdu], token="wrong") == 403


async def test_the_answer_waits_for_the_core(home: Home, new_user: NewUser, unique: str) -> None:
    ana = await new_user(home, f"ana-{unique}")
    room_id = await ana.room(unique)
    core = RecordingCore(f"#{unique}:localhost")
    pdu = {
        "type": "m.room.message",
        "event_id": f"$held-{unique}",
        "room_id": room_id,
        "sender": ana.user_id,
        "origin_server_ts": 1,
        "content": {"msgtype": "m.text", "body": "held"},
    }
    async with running(core, home.url, home.port):
        await core.until_online()
        core.held = asyncio.Event()
        answer = asyncio.create_task(push(home, "9", [pdu]))
        done, _ = await asyncio.wait([answer], timeout=0.5)
        assert not done, "answered before the core had it"
        core.held.set()
        assert await asyncio.wait_for(answer, 30) == 200


async def test_what_was_said_while_we_were_away(home: Home, new_user: NewUser, unique: str) -> None:
    """Kept by the homeserver, pushed at once after the ping; nothing that is remembered costs a request again."""
    ana = await new_user(home, f"ana-{unique}")
    room_id = await ana.room(unique)
    alias = f"#{unique}:localhost"
    place, core = Place("home", alias), RecordingCore(alias)
    kestrel = person(f"kestrel-{unique}")
    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        await adapter.join(place, kestrel)
        sent = part(place, "before", f"{unique}-0", kestrel, time.time())
        receipt = await adapter.send(sent).confirmation
    core.is_online = False
    for number in range(3):
        await ana.say(room_id, f"away {number}")
    # Presence is told in its own time, and would be counted.
    async with (
        Proxy(home.url).standing() as proxy,
        running(core, proxy.url, home.port, presence=False) as adapter,
    ):
        await core.until_online()
        assert [path for _, path in proxy.asked if path.endswith("/ping")], "else it may not push for minutes"
        await core.said(Message(Text("away 2")))
        said = [event.content.body.text for event in core.events() if isinstance(event.content, Message)]
        assert said == ["away 0", "away 1", "away 2"]
        assert await adapter.present(place) == (kestrel,)
        before = adapter._client.requests
        await adapter.join(place, kestrel)
        assert adapter._client.requests == before
        lost = part(place, "never sent", f"{unique}-1", kestrel, time.time())
        assert await adapter.recheck([sent, lost]) == {sent.id: receipt}


async def test_a_late_echo_confirms(home: Home, new_user: NewUser, unique: str) -> None:
    """A part whose confirmation nobody could hear is confirmed by what the homeserver pushes after the restart."""
    ana = await new_user(home, f"ana-{unique}")
    room_id = await ana.room(unique)
    alias = f"#{unique}:localhost"
    place, core = Place("home", alias), RecordingCore(alias)
    kestrel = person(f"kestrel-{unique}")
    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        await adapter.join(place, kestrel)
        core.held = asyncio.Event()  # the homeserver gets no answer to what it pushes
        await ana.say(room_id, "first")
        await asyncio.wait_for(adapter.send(part(place, "x", f"{unique}-0", kestrel, time.time())).confirmation, 30)
    core.held = None
    core.is_online = False
    async with running(core, home.url, home.port):
        await core.until(lambda: f"{unique}-0" in core.late, "the part confirmed by its echo")
        await core.said(Message(Text("first")))


async def test_synapse_restarted(own_home: Home, new_user: NewUser, unique: str) -> None:
    """Its transaction numbers start anew, and a new message arrives; one sent meanwhile is brought once."""
    ana = await new_user(own_home, "ana")
    room_id = await ana.room("lobby")
    place, core = Place("home", "#lobby:localhost"), RecordingCore("#lobby:localhost")
    kestrel = person()
    async with running(core, own_home.url, own_home.port) as adapter:
        await core.until_online()
        await adapter.join(place, kestrel)
        for number in range(3):
            await ana.say(room_id, f"before {number}")
        await core.said(Message(Text("before 2")))
        await adapter.send(part(place, "irc before", "p-0", kestrel, time.time())).confirmation

        await own_home.synapse.stop()
        trying = adapter.send(part(place, "irc meanwhile", "p-1", kestrel, time.time()))
        failure = await core.until_offline()
        assert failure.reason is Reason.REMOTE_SERVER_TIMEOUT
        assert "is the homeserver running" in failure.text
        with pytest.raises(SendError, match="is the homeserver running") as error:
            adapter.send(part(place, "irc refused", "p-2", kestrel, time.time()))
        assert error.value.temporary
        await own_home.synapse.start()
        await core.until(lambda: core.is_online, "online again", within=60)
        await trying.confirmation
        await adapter.send(part(place, "irc after", "p-3", kestrel, time.time())).confirmation

        for number in range(3):
            await ana.say(room_id, f"after {number}")
        await core.said(Message(Text("after 2")))
        said = [event.content.body.text for event in core.events() if isinstance(event.content, Message)]
        assert said == [f"before {n}" for n in range(3)] + [f"after {n}" for n in range(3)]
        puppets = [body for sender, body in bodies(await ana.messages(room_id)) if sender != ana.user_id]
        assert puppets == ["irc before", "irc meanwhile", "irc after"]


async def test_synapse_killed_while_sending(own_home: Home, new_user: NewUser) -> None:
    """Synapse forgets transaction ids when it dies: what was in doubt is looked for before it is sent again."""
    ana = await new_user(own_home, "ana")
    room_id = await ana.room("lobby")
    place, core = Place("home", "#lobby:localhost"), RecordingCore("#lobby:localhost")
    speakers = [person(f"bird{number}") for number in range(8)]
    async with running(core, own_home.url, own_home.port) as adapter:
        await core.until_online()
        for speaker in speakers:
            await adapter.join(place, speaker)

        async def deliver(number: int) -> None:
            """What a lane does: the same part again until it is confirmed."""
            one = part(place, f"line {number}", f"k-{number}", speakers[number % 8], time.time())
            while True:
                try:
                    await adapter.send(one).confirmation
                    return
                except SendError as error:
                    if not error.temporary:
                        raise
                    await asyncio.sleep(0.2)

        lines = [asyncio.create_task(deliver(number)) for number in range(40)]
        await asyncio.wait(lines, return_when=asyncio.FIRST_COMPLETED)
        await own_home.synapse.kill()
        await own_home.synapse.start()
        await asyncio.wait_for(asyncio.gather(*lines), 90)
        seen = sorted(body for _, body in bodies(await ana.messages(room_id)))
        assert seen == sorted(f"line {number}" for number in range(40))


async def test_homeserver_absent_at_start(own_home: Home) -> None:
    core = RecordingCore()
    await own_home.synapse.stop()
    async with running(core, own_home.url, own_home.port):
        failure = await core.until_offline()
        assert f"is the homeserver running at {own_home.url}" in failure.text
        await own_home.synapse.start()
        await core.until(lambda: core.is_online, "online", within=60)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"as_token": "another-token"}, "does not know our as_token"),
        ({"hs_token": "another-token"}, "hs_token is not ours"),
        ({"id": "another"}, "belongs to another application service than 'another'"),
        ({"bot": "gateway"}, "the registration makes us @rialto:localhost, the configuration @gateway:localhost"),
        ({"domain": "example.org"}, "correct `domain` and `bot`"),
    ],
)
async def test_what_does_not_fit_is_said(home: Home, changes: dict[str, Any], says: str) -> None:
    core = RecordingCore()
    async with running(core, home.url, home.port, **changes):
        failure = await core.until_offline()
        assert says in failure.text
        assert "rialto registration home" in failure.text
        assert not core.onlines
        for secret in changes.values():
            assert "token" not in secret or secret not in str(failure)


async def test_a_homeserver_that_cannot_reach_us(home: Home) -> None:
    core = RecordingCore()
    (elsewhere,) = free_ports(1)
    async with running(core, home.url, home.port, listen=elsewhere):
        failure = await core.until_offline("cannot reach us")
        assert f"http://127.0.0.1:{home.port}/home" in failure.text
        assert failure.reason is Reason.REMOTE_SERVER_NOT_FOUND


async def test_a_puppet_gone_without_our_knowledge(home: Home, new_user: NewUser, unique: str) -> None:
    """Whatever took it out, it comes back by itself when it has something to say."""
    ana = await new_user(home, f"ana-{unique}")
    room_id = await ana.room(unique)
    alias = f"#{unique}:localhost"
    place, core = Place("home", alias), RecordingCore(alias)
    kestrel = person(f"kestrel-{unique}")
    puppet = f"@_rialto_libera_kestrel-{unique}:localhost"
    async with running(core, home.url, home.port) as adapter:
        await core.until_online()
        await adapter.join(place, kestrel)
        await _leave_behind_its_back(adapter, room_id, puppet)
        await adapter.send(part(place, "still here", f"{unique}-0", kestrel, time.time())).confirmation
        assert bodies(await ana.messages(room_id)) == [(puppet, "still here")]


async def _leave_behind_its_back(adapter: MatrixAdapter, room_id: str, puppet: str) -> None:
    await adapter._client.request("POST", "/_matrix/client/v3/rooms", room_id, "leave", user_id=puppet, body={})


async def test_an_invitation_of_a_puppet(home: Home, new_user: NewUser, unique: str) -> None:
    ana = await new_user(home, f"ana-{unique}")
    room_id = await ana.room(unique)
    alias = f"#{unique}:localhost"
    puppet = f"@_rialto_libera_kestrel-{unique}:localhost"
    core = RecordingCore(alias)
    async with running(core, home.url, home.port):
        await core.until_online()
        await ana.act(room_id, "invite", user_id=puppet)

        async def there() -> bool:
            return puppet in await ana.members(room_id)

        # Nobody knew the puppet: Synapse asks us whether it exists, and we make it.
        await ana.until(there, "the invited puppet")
        assert (await ana.ask("GET", "profile", puppet))["displayname"] == f"kestrel-{unique}"


async def test_many_people_are_one_roster(home: Home, new_user: NewUser, unique: str) -> None:
    ana = await new_user(home, f"ana-{unique}")
    room_id = await ana.room(unique)
    others = [await new_user(home, f"u{number}-{unique}") for number in range(4)]
    for other in others:
        await other.act(room_id, "join")
    core = RecordingCore(f"#{unique}:localhost")
    async with running(core, home.url, home.port):
        await core.until_online()
        roster = await core.state(Roster)
        names = {one.address: one.name for one in roster.people}
        assert names == {Address("home", user.user_id): user.user_id[1:].split(":")[0] for user in [ana, *others]}
        assert all(isinstance(one, Person) for one in roster.people)
        assert not [item for item in core.items if isinstance(item, Event)]
