"""Ad-hoc commands: requests and answers as XML, without a server. Forms are read back by slixmpp's own reader."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from xml.etree.ElementTree import Element, fromstring

import pytest
from slixmpp.plugins.xep_0004.stanza import FieldOption, Form, FormField
from slixmpp.xmlstream import register_stanza_plugin

from adapters.xmpp.adhoc import WAITING, AdHoc
from adapters.xmpp.forms import COMMANDS, DATA
from adapters.xmpp.sanitise import checked
from bridge.contract import Core, SendError
from bridge.model.address import Person
from bridge.model.command import Offer
from bridge.model.result import Reason
from bridge.words import VERBS
from tests.unit.xmpp.folk import ANA, ME, STANZAS, FakeCore
from tests.unit.xmpp.muc import BOT, DOMAIN, ROOM

register_stanza_plugin(FormField, FieldOption, iterable=True)
register_stanza_plugin(Form, FormField, iterable=True)

PHONE = f"{ANA}/phone"
INFO, ITEMS = "http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/disco#items"


class Desk:
    """Ad-hoc commands over a core that answers everything."""

    def __init__(self) -> None:
        self.core = FakeCore()
        self.core.offers = {
            name: Offer(name, arguments, f"about {name} & more")
            for name, arguments in (
                ("help", ""),
                ("rules", "[WHO]"),
                *((name, "WHO") for name in VERBS),
                ("forget", "WHO"),
                ("token", "[new]"),
                ("keep", "HOW"),
            )
        }
        self.stanzas: list[Element] = []
        self.down = False
        self.adhoc = AdHoc(cast(Core, cast(Any, self.core)), self.write, domain=DOMAIN, bot=BOT, rooms={ROOM})

    def write(self, stanza: str) -> None:
        if self.down:
            raise SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, "down")
        checked(stanza)
        self.stanzas.append(fromstring(stanza))

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.adhoc.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def put(self, payload: str, kind: str = "set", *, sender: str = PHONE, to: str = DOMAIN) -> bool:
        request = f"<iq xmlns='jabber:component:accept' from='{sender}' to='{to}' id='q1' type='{kind}'>{payload}</iq>"
        return self.adhoc.takes(fromstring(request))

    async def ask(self, payload: str, kind: str = "set", *, sender: str = PHONE, to: str = DOMAIN) -> Element:
        assert self.put(payload, kind, sender=sender, to=to)
        for _ in range(20):
            await asyncio.sleep(0)
        (answer,) = self.stanzas
        self.stanzas = []
        assert (answer.get("from"), answer.get("to"), answer.get("id")) == (to, sender, "q1")
        return answer


def command(node: str, session: str = "", action: str = "", inner: str = "") -> str:
    more = f" sessionid='{session}'" * bool(session) + f" action='{action}'" * bool(action)
    return f"<command xmlns='{COMMANDS}' node='{node}'{more}>{inner}</command>"


def submit(**values: str) -> str:
    fields = "".join(f"<field var='{var}'><value>{value}</value></field>" for var, value in values.items())
    return f"<x xmlns='{DATA}' type='submit'>{fields}</x>"


def done(answer: Element) -> tuple[str, str, str]:
    """Status, session and note of a command's answer."""
    assert answer.get("type") == "result"
    found = answer[0]
    note = found.findtext(f"{{{COMMANDS}}}note", "")
    return found.get("status", ""), found.get("sessionid", ""), note


def read(answer: Element) -> tuple[str, dict[str, Any]]:
    """Instructions and fields of the form in an answer."""
    form = Form(xml=answer[0].find(f"{{{DATA}}}x"))  # type: ignore[no-untyped-call]  # slixmpp leaves it untyped
    return form["instructions"], form.get_fields()  # type: ignore[no-untyped-call]


def condition(answer: Element) -> str:
    assert answer.get("type") == "error"
    return answer[0][0].tag.removeprefix(f"{{{STANZAS}}}")


@pytest.mark.parametrize("to", [DOMAIN, BOT, BOT.partition("/")[0]])
async def test_the_list_and_what_each_is(to: str) -> None:
    desk = Desk()
    listed = await desk.ask(f"<query xmlns='{ITEMS}' node='{COMMANDS}'/>", "get", to=to)
    nodes = {item.get("node"): (item.get("jid"), item.get("name")) for item in listed[0]}
    assert nodes == {
        "help": (to, "about help & more"),
        "rules": (to, "Who may see me, write to me, know that I watch"),
        "token": (to, "about token & more"),
        "keep": (to, "about keep & more"),
    }
    for node, kind in ((COMMANDS, "command-list"), ("rules", "command-node"), ("token", "command-node")):
        told = await desk.ask(f"<query xmlns='{INFO}' node='{node}'/>", "get", to=to)
        identity = told[0][0]
        assert (identity.get("category"), identity.get("type")) == ("automation", kind)
        assert {each.get("var") for each in told[0][1:]} == (set() if node == COMMANDS else {COMMANDS, DATA})
    for not_ours in (
        f"<query xmlns='{INFO}'/>",
        f"<query xmlns='{INFO}' node='block'/>",
        f"<query xmlns='{ITEMS}' node='rules'/>",
    ):
        assert not desk.put(not_ours, "get", to=to)
    assert not desk.put(command("rules"), "get", to=to)
    assert not desk.put(f"<query xmlns='{ITEMS}' node='{COMMANDS}'/>", "get", to=f"kestrel%libera@{DOMAIN}")
    assert not desk.put("")


async def test_a_command_without_arguments_is_done_at_once() -> None:
    desk = Desk()
    async with desk.working():
        status, session, note = done(await desk.ask(command("help", action="execute")))
        assert (status, note) == ("completed", "Answer to help.\nIn two lines.")
        assert desk.core.commanded == [(Person(ME, ANA), "help")]
        assert condition(await desk.ask(command("help", session, "complete"))) == "bad-request"


@pytest.mark.parametrize("action", ["", "execute", "complete", "next"])
async def test_rules_by_a_form(action: str) -> None:
    desk = Desk()
    async with desk.working():
        answer = await desk.ask(command("rules"))
        status, session, _ = done(answer)
        assert status == "executing"
        actions = answer[0].find(f"{{{COMMANDS}}}actions")
        assert actions is not None
        assert actions.get("execute") == "complete"
        instructions, fields = read(answer)
        assert instructions == "Answer to rules.\nIn two lines."
        assert list(fields) == ["what", "who"]
        assert [option["value"] for option in fields["what"].get_options()] == [*VERBS, "forget"]
        assert fields["who"]["type"] == "text-single"
        assert fields["who"]["required"]
        filled = submit(what="polite-block", who=" bo@example.org ")
        assert done(await desk.ask(command("rules", session, action, filled))) == (
            "completed", session, "Answer to polite-block bo@example.org.\nIn two lines."
        )  # fmt: skip
        assert [text for _, text in desk.core.commanded] == ["rules", "polite-block bo@example.org"]
        # Once is enough.
        assert condition(await desk.ask(command("rules", session, action, filled))) == "bad-request"


async def test_a_command_with_an_argument_asks_for_it() -> None:
    desk = Desk()
    async with desk.working():
        for node, required in (("token", False), ("keep", True)):
            answer = await desk.ask(command(node))
            field = read(answer)[1]["text"]
            assert field["required"] is required
            assert field["label"] == desk.core.commands[node].arguments
            _, session, _ = done(answer)
            await desk.ask(command(node, session, inner=submit(text="new")))
        assert [text for _, text in desk.core.commanded] == ["token new", "keep new"]


async def test_what_is_refused() -> None:
    desk = Desk()
    async with desk.working():
        _, session, _ = done(await desk.ask(command("rules")))
        refusals = {
            command("block"): "item-not-found",
            command(""): "item-not-found",
            command("rules", action="complete"): "bad-request",
            command("rules", "nonsense"): "bad-request",
            command("keep", session): "bad-request",
            command("rules", session, "prev"): "bad-request",
        }
        for payload, why in refusals.items():
            assert condition(await desk.ask(payload)) == why, payload
        # A session is that of who began it, from where they did.
        assert condition(await desk.ask(command("rules", session), sender=f"{ANA}/desk")) == "bad-request"
        assert condition(await desk.ask(command("rules"), sender=f"{ROOM}/Ana")) == "not-allowed"
        assert done(await desk.ask(command("rules", session, "cancel"))) == ("canceled", session, "")
        assert condition(await desk.ask(command("rules", session))) == "bad-request"
        assert [text for _, text in desk.core.commanded] == ["rules"]


async def test_a_form_that_was_not_filled_in_and_a_stream_that_is_away() -> None:
    desk = Desk()
    async with desk.working():
        for inner in ("", submit(), f"<x xmlns='{DATA}' type='cancel'/>", submit(what="block", who="me?")):
            _, session, _ = done(await desk.ask(command("rules")))
            status, _, note = done(await desk.ask(command("rules", session, inner=inner)))
            assert (status, note) == ("completed", "That was no command, or one too many: try again later.")
        desk.down = True
        assert desk.put(command("help"))
        for _ in range(20):
            await asyncio.sleep(0)
        desk.down = False
        assert done(await desk.ask(command("help")))[0] == "completed"


async def test_so_many_wait() -> None:
    desk = Desk()  # nobody answers
    for _ in range(WAITING):
        assert desk.put(command("help"))
    assert not desk.stanzas
    assert condition(await desk.ask(command("help"))) == "resource-constraint"
