"""The clients themselves, against servers alone: what they do, their like sees."""

import asyncio

import pytest

from bridge.demo.clients import ClientError, IrcClient, MatrixClient, Sight, XmppClient
from bridge.demo.servers import InspIRCd, NgIRCd, Prosody, Synapse


async def test_xmpp(prosody: Prosody, unique: str) -> None:
    room = f"{unique}@{prosody.muc}"
    accounts = [await prosody.register(f"{name}{unique}", "secret") for name in ("ana", "bo")]
    async with (
        XmppClient(accounts[0], "secret", prosody.c2s_port) as ana,
        XmppClient(accounts[1], "secret", prosody.c2s_port) as bo,
    ):
        await ana.join(room, "ana")
        ana.say(room, "before bo came")
        await ana.wait_for(text="before bo came", own=True)
        await bo.join(room, "bo")
        await ana.wait_for(kind=Sight.JOIN, who="bo", place=room, sender=f"{accounts[1]}/{bo.xmpp.boundjid.resource}")
        assert set(bo.occupants[room]) == {"ana", "bo"}
        await bo.wait_for(kind=Sight.TEXT, text="before bo came", history=True)
        bo.say(room, "hello <you> & 🍵")
        bo.emote(room, "waves")
        bo.tell(f"{room}/ana", "psst")
        await ana.wait_for(kind=Sight.TEXT, who="bo", text="hello <you> & 🍵", place=room)
        await ana.wait_for(kind=Sight.EMOTE, who="bo", text="waves")
        await ana.wait_for(kind=Sight.TEXT, text="psst", place="")
        ana.set_topic(room, "tea")
        await bo.wait_for(kind=Sight.TOPIC, who="ana", text="tea")
        await bo.rename(room, "bob")
        await ana.wait_for(kind=Sight.RENAME, who="bo", text="bob")
        assert not ana.matching(kind=Sight.JOIN, who="bob")
        with pytest.raises(ClientError, match="conflict"):
            await bo.rename(room, "ana")
        await ana.kick(room, "bob", "enough")
        await bo.wait_for(kind=Sight.KICK, who="ana", whom="bob", text="enough", own=True)
        await bo.join(room, "bo")
        await bo.leave(room, "bye all")
        await ana.wait_for(kind=Sight.LEAVE, who="bo", text="bye all")
        # Two topics were sent to bo on his two arrivals, and are no changes.
        assert len(bo.matching(kind=Sight.TOPIC)) == 1


async def test_xmpp_room_configured_to_show_jids(prosody: Prosody, unique: str) -> None:
    room = f"{unique}@{prosody.muc}"
    accounts = [await prosody.register(f"{name}{unique}", "secret") for name in ("ana", "bo")]
    async with (
        XmppClient(accounts[0], "secret", prosody.c2s_port) as ana,
        XmppClient(accounts[1], "secret", prosody.c2s_port) as bo,
    ):
        await ana.join(room, "ana", config={"muc#roomconfig_whois": "anyone"})
        await bo.join(room, "bo")
        assert bo.occupants[room]["ana"].startswith(accounts[0])


async def test_xmpp_wrong_password(prosody: Prosody, unique: str) -> None:
    account = await prosody.register(f"ana{unique}", "secret")
    client = XmppClient(account, "wrong", prosody.c2s_port)
    with pytest.raises(ClientError, match="was not let in"):
        await client.connect()
    await client.close()


async def test_matrix(synapse: Synapse, unique: str) -> None:
    tokens = {name: await synapse.register(f"{name}{unique}", "secret") for name in ("ana", "bo")}
    async with (
        MatrixClient(synapse.url, f"@ana{unique}:localhost", tokens["ana"]) as ana,
        MatrixClient(synapse.url, f"@bo{unique}:localhost", tokens["bo"]) as bo,
    ):
        await ana.rename("Ana")
        room = await ana.create_room(unique)
        first = await ana.say(room, "before bo came")
        assert await bo.join(f"#{unique}:localhost") == room
        await ana.wait_for(kind=Sight.JOIN, who=f"bo{unique}", sender=bo.user_id)
        await bo.wait_for(text="before bo came", who="Ana", history=True, id=first)
        said = await bo.say(room, "hello", html="<b>hello</b>")
        await ana.wait_for(kind=Sight.TEXT, text="hello", id=said, history=False, own=False)
        await bo.emote(room, "waves")
        await bo.notice(room, "beep")
        await bo.edit(room, said, "hullo")
        await bo.react(room, said, "🍵")
        await bo.redact(room, said, "oops")
        await ana.wait_for(kind=Sight.EMOTE, text="waves")
        await ana.wait_for(kind=Sight.NOTICE, text="beep")
        await ana.wait_for(kind=Sight.EDIT, text="hullo", about=said)
        await ana.wait_for(kind=Sight.REACTION, text="🍵", about=said)
        await ana.wait_for(kind=Sight.RETRACTION, text="oops", about=said)
        await bo.rename("Bob")
        await ana.wait_for(kind=Sight.RENAME, who=f"bo{unique}", text="Bob")
        await ana.set_topic(room, "tea")
        await bo.wait_for(kind=Sight.TOPIC, who="Ana", text="tea")
        with pytest.raises(ClientError, match="M_FORBIDDEN"):
            await bo.set_topic(room, "coffee")
        await ana.kick(room, bo.user_id, "enough")
        await bo.wait_for(kind=Sight.KICK, who="Ana", whom="Bob", text="enough")
        await bo.join(room)
        await bo.leave(room)
        await ana.wait_for(kind=Sight.LEAVE, who="Bob")
        await ana.invite(room, bo.user_id)
        await bo.wait_for(kind=Sight.INVITE, place=room)


@pytest.mark.parametrize("server", ["ngircd", "inspircd"])
async def test_irc(server: str, ngircd: NgIRCd, inspircd: InspIRCd, unique: str) -> None:
    port = {"ngircd": ngircd, "inspircd": inspircd}[server].port
    channel = f"#{unique}"
    async with IrcClient(f"ana{unique}", port) as ana, IrcClient(f"bo{unique}", port) as bo:
        await ana.join(channel)
        await bo.join(channel)
        await ana.wait_for(kind=Sight.JOIN, who=bo.nick, place=channel)
        assert bo.names[channel] == {ana.nick, bo.nick}
        bo.say(channel, "hello : you")
        bo.emote(channel, "waves")
        bo.notice(channel, "beep")
        bo.say(ana.nick, "psst")
        await ana.wait_for(kind=Sight.TEXT, who=bo.nick, text="hello : you", place=channel)
        await ana.wait_for(kind=Sight.EMOTE, text="waves", place=channel)
        await ana.wait_for(kind=Sight.NOTICE, text="beep", place=channel)
        await ana.wait_for(kind=Sight.TEXT, text="psst", place="")
        assert len(ana.matching(text="waves")) == 1
        ana.set_topic(channel, "tea and cake")
        await bo.wait_for(kind=Sight.TOPIC, who=ana.nick, text="tea and cake")
        await bo.rename(f"bob{unique}")
        await ana.wait_for(kind=Sight.RENAME, who=f"bo{unique}", text=f"bob{unique}", place=channel)
        with pytest.raises(ClientError, match="433"):
            await bo.rename(ana.nick)
        ana.kick(channel, bo.nick, "enough")
        await bo.wait_for(kind=Sight.KICK, who=ana.nick, whom=bo.nick, text="enough")
        await bo.join(channel)
        await bo.part(channel, "bye all")
        await ana.wait_for(kind=Sight.LEAVE, who=bo.nick, place=channel)
        position = len(ana.seen)
        await bo.join(channel)
        await bo.quit("gone home")
        left = await ana.wait_for(kind=Sight.LEAVE, who=bo.nick, place=channel, since=position)
        assert "gone home" in left.text
        assert ana.names[channel] == {ana.nick}


async def test_irc_survives_lines_that_the_package_does_not(ngircd: NgIRCd, unique: str) -> None:
    channel = f"#{unique}"
    async with IrcClient(f"ana{unique}", ngircd.port) as ana, IrcClient(f"bo{unique}", ngircd.port) as bo:
        await ana.join(channel)
        await bo.join(channel)
        bo.raw(f"PRIVMSG {channel} :".encode() + b"caf\xe9 \x0f\x02")
        await ana.wait_for(lambda seen: seen.text.startswith("caf"), kind=Sight.TEXT)
        with pytest.raises(ClientError, match="433"):
            async with IrcClient(ana.nick, ngircd.port):
                pass
        await bo.drop()
        await ana.wait_for(kind=Sight.LEAVE, who=bo.nick)


async def test_what_was_not_seen_is_told_with_what_was(ngircd: NgIRCd, unique: str) -> None:
    async with IrcClient(f"ana{unique}", ngircd.port) as ana:
        await ana.join(f"#{unique}")
        with pytest.raises(
            AssertionError, match=rf"(?s)did not see text='tea' within 0.05 s, but:.*#{unique}: join by ana"
        ):
            await ana.wait_for(text="tea", timeout=0.05)
        with pytest.raises(TypeError, match="nothing seen has colour"):
            await ana.wait_for(colour="red")
        waiting = asyncio.create_task(ana.wait_for(text="later"))
        ana.say(ana.nick, "later")
        assert (await waiting).who == ana.nick
