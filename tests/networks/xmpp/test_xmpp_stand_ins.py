"""Three gateways in one room of a real Prosody: they know one another's puppets and bots for what they are."""

from dataclasses import replace

import pytest

from bridge.contract import Identifying, Voice
from bridge.demo.servers import Prosody
from bridge.model.event import Joined, Roster
from tests.networks.xmpp.client_lab import PASSWORD, account, at_work
from tests.networks.xmpp.test_xmpp_room import NON_ANONYMOUS
from tests.networks.xmpp.xmpp_lab import NewClient, RecordingCore, part, person, running, say

KESTREL = person("Kestrel")


def members(core: RecordingCore) -> dict[str, str]:
    """Everybody who was ever said to be in the room, and whose stand-in they were."""
    people = [each for item in core.items if isinstance(item, Roster) for each in item.people]
    people += [item.person for item in core.items if isinstance(item, Joined)]
    return {each.name: each.stands_for for each in people}


@pytest.mark.parametrize("config", [NON_ANONYMOUS, {}], ids=["shown", "hidden"])
async def test_gateways_know_one_another(
    prosody: Prosody, room: str, new_client: NewClient, unique: str, config: dict[str, str]
) -> None:
    ana = await new_client(prosody, "ana")
    await ana.join(room, "Ana", config=config)
    bot = account(prosody, await prosody.register(f"bot{unique}", PASSWORD), nick="third")
    one, two, three = RecordingCore(room), RecordingCore(room), RecordingCore(room)
    place = one.places[0]
    async with (
        running(prosody, "bridge1.localhost", one, nick="first") as first,
        at_work(bot, three) as third,
        running(prosody, "bridge2.localhost", two, nick="second") as second,
    ):
        await first.join(place, KESTREL)
        await say(first, replace(part(place, KESTREL, f"by the puppet {unique}"), hops=7))
        await say(first, replace(part(place, person("Merlin"), "<Merlin> by the bot", voice=Voice.BOT), hops=6))
        await say(third, replace(part(place, person("Rook"), "<Rook> by the account", voice=Voice.BOT), hops=0))
        for text, nick, stands_for, hops in (
            (f"by the puppet {unique}", "Kestrel", "test:kestrel", 7),
            ("<Merlin> by the bot", "first", "test:merlin", 6),
            ("<Rook> by the account", "third", "test:rook", 0),
        ):
            event = await two.heard(text)
            assert (event.sender.name, event.sender.stands_for, event.hops) == (nick, stands_for, hops)
        ana.say(room, f"fence {unique}")
        for core in (one, two, three):
            event = await core.heard(f"fence {unique}")
            assert (event.sender.stands_for, event.hops) == ("", 20)
        assert members(one) == {"Ana": ""}
        assert members(two) == members(three) == {"Ana": "", "Kestrel": "test:kestrel"}
        # Who they are to one another, however the room shows them.
        assert isinstance(first, Identifying)
        assert isinstance(third, Identifying)
        said = (await two.heard("<Rook> by the account")).sender.address
        assert third.ours(second.identity(said))
        assert not first.ours(second.identity(said))
        puppet = (await two.heard(f"by the puppet {unique}")).sender.address
        assert first.ours(second.identity(puppet))
        assert first.native(second.identity(puppet)) is None or not config
        here = (await two.heard(f"fence {unique}")).sender.address
        assert [each.native(second.identity(here)) for each in (first, second, third)] == [here, here, here]


async def test_a_gateway_that_comes_back_still_knows_whose_lines_it_missed(
    prosody: Prosody, room: str, new_client: NewClient, unique: str
) -> None:
    ana = await new_client(prosody, "ana")
    await ana.join(room, "Ana", config=NON_ANONYMOUS)
    core = RecordingCore(room)
    async with running(prosody, "bridge2.localhost", core):
        ana.say(room, f"before {unique}")
        await core.heard(f"before {unique}")
    async with running(prosody, "bridge1.localhost", RecordingCore(room)) as first:
        await first.join(core.places[0], KESTREL)
        await say(first, part(core.places[0], KESTREL, f"missed {unique}"))
    again = RecordingCore(room, before=core)
    async with running(prosody, "bridge2.localhost", again):
        event = await again.heard(f"missed {unique}")
        assert event.sender.stands_for == "test:kestrel"
        assert "Kestrel" not in members(again)
