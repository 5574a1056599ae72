"""How private messages are confirmed, and how they fail, without a server."""

from xml.etree.ElementTree import Element, fromstring

import pytest

from bridge.contract import Part, SendError, Voice
from bridge.model.address import Place, PlaceKind
from bridge.model.message import MessageKind, Text
from bridge.model.result import Reason
from tests.unit.xmpp.folk import ANA, KESTREL, STANZAS, Folk, failed

PLACE = Place("office", ANA, PlaceKind.USER)


def part(text: str = "hi", part_id: str = "e-1", place: Place = PLACE, voice: Voice = Voice.PUPPET) -> Part:
    return Part(part_id, place, KESTREL, voice, MessageKind.TEXT, Text(text), 4_000_000_000.0)


def answer_pings(folk: Folk) -> list[Element]:
    """Answer all that the bot asks; gives everything else that was written."""
    others = []
    for stanza in folk.taken():
        if stanza.tag == "iq":
            folk.queries.answered(fromstring(f"<iq type='result' from='{stanza.get('to')}' id='{stanza.get('id')}'/>"))
        else:
            others.append(stanza)
    return others


async def test_confirmed_by_the_servers_answer_and_failed_by_its_error() -> None:
    folk = Folk()
    handed = [folk.people.direct.send(part(part_id=f"e-{number}")).confirmation for number in range(3)]
    await folk.settle()
    assert [each.tag for each in map(fromstring, folk.stanzas)] == ["message"] * 3 + ["iq"]
    assert folk.people.refused(failed("rialto-e-1", "service-unavailable"))
    # Not by those it was not sent to.
    assert not folk.people.refused(failed("rialto-e-2", "gone", sender="bo@example.org"))
    assert not folk.people.refused(failed("rialto-e-9", "gone"))
    assert not folk.people.refused(failed("other", "gone"))
    answer_pings(folk)
    await folk.settle()
    assert (handed[0].result().native_id, handed[2].result().native_id) == ("rialto-e-0", "rialto-e-2")
    error = handed[1].exception()
    assert isinstance(error, SendError)
    assert not error.temporary
    assert not folk.people.refused(failed("rialto-e-0", "gone")), "it is known to have arrived"


@pytest.mark.parametrize(
    ("condition", "kind", "reason", "temporary"),
    [
        ("service-unavailable", "cancel", Reason.SERVICE_UNAVAILABLE, False),
        ("item-not-found", "cancel", Reason.ITEM_NOT_FOUND, False),
        ("forbidden", "auth", Reason.FORBIDDEN, False),
        ("not-allowed", "cancel", Reason.NOT_ALLOWED, False),
        ("gone", "cancel", Reason.GONE, False),
        ("recipient-unavailable", "cancel", Reason.RECIPIENT_UNAVAILABLE, False),
        ("recipient-unavailable", "wait", Reason.RECIPIENT_UNAVAILABLE, True),
        ("remote-server-timeout", "wait", Reason.REMOTE_SERVER_TIMEOUT, True),
        ("remote-server-not-found", "cancel", Reason.REMOTE_SERVER_NOT_FOUND, False),
        ("resource-constraint", "wait", Reason.RESOURCE_CONSTRAINT, True),
        ("policy-violation", "modify", Reason.POLICY_VIOLATION, False),
        ("x-unknown", "cancel", Reason.UNDEFINED_CONDITION, False),
    ],
)
async def test_what_an_error_means(condition: str, kind: str, reason: Reason, temporary: bool) -> None:
    folk = Folk()
    handed = folk.people.direct.send(part()).confirmation
    assert folk.people.refused(failed("rialto-e-1", condition, kind=kind))
    with pytest.raises(SendError) as refused:
        await handed
    assert (refused.value.failure.reason, refused.value.temporary) == (reason, temporary)
    assert refused.value.failure.text
    folk.people.closed(Reason.SERVICE_UNAVAILABLE, "over")


@pytest.mark.parametrize(
    ("condition", "temporary"), [("remote-server-timeout", True), ("remote-server-not-found", False)]
)
async def test_an_answer_of_our_own_server_confirms_nothing(condition: str, temporary: bool) -> None:
    folk = Folk()
    handed = folk.people.direct.send(part()).confirmation
    await folk.settle()
    question = folk.taken()[-1]
    error = f"<error type='cancel'><{condition} xmlns='{STANZAS}'/></error>"
    folk.queries.answered(fromstring(f"<iq type='error' from='example.org' id='{question.get('id')}'>{error}</iq>"))
    with pytest.raises(SendError) as refused:
        await handed
    assert refused.value.temporary is temporary


async def test_what_is_sent_again_waits_for_an_answer_of_its_own() -> None:
    folk = Folk()
    first = folk.people.direct.send(part()).confirmation
    await folk.settle()
    assert folk.people.refused(failed("rialto-e-1", "resource-constraint", kind="wait"))
    second = folk.people.direct.send(part()).confirmation
    question = next(each for each in folk.taken() if each.tag == "iq")
    folk.queries.answered(fromstring(f"<iq type='result' from='example.org' id='{question.get('id')}'/>"))
    await folk.settle()
    assert isinstance(first.exception(), SendError)
    assert not second.done(), "the ping went before it"
    answer_pings(folk)
    await folk.settle()
    assert second.result().native_id == "rialto-e-1"


async def test_when_the_stream_is_lost_all_is_in_doubt() -> None:
    folk = Folk()
    handed = folk.people.direct.send(part()).confirmation
    folk.people.closed(Reason.REMOTE_SERVER_TIMEOUT, "gone")
    with pytest.raises(SendError) as lost:
        await handed
    assert lost.value.temporary
    folk.down = True
    with pytest.raises(SendError):
        folk.people.direct.send(part())
    folk.down = False
    again = folk.people.direct.send(part()).confirmation
    await folk.settle()
    answer_pings(folk)
    await folk.settle()
    assert again.result().native_id == "rialto-e-1"
