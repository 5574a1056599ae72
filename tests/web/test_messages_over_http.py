"""``POST /im``: every result and its status, over the whole core."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from bridge.contract import SendError, Voice
from bridge.model import imdn
from bridge.model.address import Person, Place, PlaceKind
from bridge.model.event import HOPS, Joined
from bridge.model.message import MessageKind
from bridge.model.result import Reason, Receipt, Status
from bridge.rules import Pattern, Rules
from bridge.store import Store
from bridge.store.deliveries import untold
from bridge.submissions import BUSY, INDETERMINANT, SUCCESS, Result, origin_of
from bridge.web import messages
from bridge.web.messages import STATUS
from bridge.web.programs import RefusedError
from tests.unit.core.bench import OFFICE, config
from tests.unit.core.loopback import Loopback
from tests.unit.core.test_conversations import private
from tests.web.asking import BO, CY, KESTREL, Answer, Asking, asking, written

NS = "NS: imdn <urn:ietf:params:imdn>"
DAY = 86400.0


@pytest_asyncio.fixture
async def there(tmp_path: Path) -> AsyncIterator[Asking]:
    async with asking(tmp_path) as made:
        yield made


def told(answer: Answer) -> dict[str, Any]:
    fields = json.loads(answer.text)
    assert isinstance(fields, dict)
    return fields


def libera(there: Asking) -> Loopback:
    return there.nets["libera"]


def texts(net: Loopback) -> list[str]:
    return [str(part.text) for part in net.sent]


def by_id(message_id: str, text: str = "good morning", more: str = "") -> bytes:
    return written(text, more=f"{NS}\nimdn.Message-ID: {message_id}\n{more}")


@pytest.mark.conforms("RFC3860:3.1:message", "RFC3860:3.4.1:4:success", "RFC2779:4.2.1", "RFC2779:4.1.2")
async def test_a_message_is_said_by_the_senders_puppet_and_the_answer_says_that_it_arrived(there: Asking) -> None:
    answer = await there.post(BO, written("good morning to you"))
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert told(answer) | {"message_id": ""} == {"result": "success", "message_id": ""}
    assert len(told(answer)["message_id"]) >= 11
    (part,) = libera(there).sent
    assert (part.place, part.speaker, part.voice) == (Place("libera", "kestrel", PlaceKind.USER), BO, Voice.PUPPET)
    assert (str(part.text), part.kind, part.hops) == ("good morning to you", MessageKind.TEXT, HOPS - 1)


@pytest.mark.conforms("RFC2779:4.1.3", "RFC2779:5.4.4")
async def test_who_was_written_to_answers_on_the_networks(tmp_path: Path) -> None:
    async with asking(tmp_path, Rules(dm=(Pattern("office:*"),))) as there:
        assert (await there.post(BO, written())).status == 200
        written_back = there.nets["office"]
        await libera(there).core.accept(private("hello?", KESTREL, BO.address))
        await written_back.until(lambda: texts(written_back) == ["hello?"])


@pytest.mark.conforms("RFC2779:5.4.2", "RFC2779:2.5.2")
async def test_the_same_id_of_the_same_person_is_the_same_message(there: Asking) -> None:
    first = await there.post(BO, by_id("id-1-of-these-tests"))
    assert (first.status, told(first)["message_id"]) == (200, "id-1-of-these-tests")
    again = await there.post(BO, by_id("id-1-of-these-tests", "something else"))
    assert (again.status, told(again)) == (200, told(first))
    assert (await there.post(BO, by_id("id-2-of-these-tests"))).status == 200
    cys = written(by=CY.address, more=f"{NS}\nimdn.Message-ID: id-1-of-these-tests")
    assert (await there.post(CY, cys)).status == 200
    assert texts(libera(there)) == ["good morning"] * 3
    other = written(to="im:merlin@libera", more=f"{NS}\nimdn.Message-ID: id-1-of-these-tests")
    conflict = await there.post(BO, other, "/im/im:merlin@libera")
    assert (conflict.status, told(conflict)["reason"]) == (409, "conflict")
    assert len(libera(there).sent) == 3


@pytest.mark.conforms("RFC2779:5.4.2")
async def test_nor_is_it_brought_again_after_a_restart(tmp_path: Path) -> None:
    async with asking(tmp_path) as there:
        assert (await there.post(BO, by_id("id-of-these-tests"))).status == 200
        kept = dict(there.tokens)
    async with asking(tmp_path) as there:
        there.tokens |= kept
        assert (await there.post(BO, by_id("id-of-these-tests"))).status == 200
        assert not libera(there).sent


async def test_two_that_hand_in_one_message_side_by_side_hear_the_same(there: Asking) -> None:
    net = libera(there)
    net.answer = lambda part: None
    await there.token(BO)
    both = asyncio.gather(*(there.post(BO, by_id("id-of-these-tests")) for _ in range(2)))
    await net.until(lambda: len(net.open) == 1)
    other = written(to="im:merlin@libera", more=f"{NS}\nimdn.Message-ID: id-of-these-tests")
    assert (await there.post(BO, other, "/im/im:merlin@libera")).status == 409
    next(iter(net.open.values())).set_result(Receipt("native"))
    assert [(answer.status, told(answer)["result"]) for answer in await both] == [(200, "success")] * 2
    assert len(net.sent) == 1


@pytest.mark.conforms("RFC3860:3.4.1:4:indeterminant", "RFC3860:3.1:response")
async def test_where_nobody_will_ever_know_the_result_is_indeterminant(there: Asking) -> None:
    libera(there).answer = lambda part: Receipt(None, Status.INDETERMINANT)
    answer = await there.post(BO, by_id("id-of-these-tests"))
    assert (answer.status, told(answer)) == (202, {"result": "indeterminant", "message_id": "id-of-these-tests"})
    again = await there.post(BO, by_id("id-of-these-tests"))
    assert (again.status, told(again)) == (202, told(answer))
    assert len(libera(there).sent) == 1


@pytest.mark.conforms("RFC3860:3.1:response", "RFC3860:3.4.1:4:later", "RFC2779:5.4.1", "RFC2779:4.2.1")
async def test_what_is_not_known_in_time_is_told_on_the_senders_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.service.RESULT_WITHIN", 0.2)
    async with asking(tmp_path) as there:
        net, office = libera(there), there.nets["office"]
        net.answer = lambda part: None
        answer = await there.post(BO, by_id("id-of-these-tests"))
        assert (answer.status, told(answer)["result"]) == (202, "indeterminant")
        assert not office.notices
        gone = SendError.permanent(Reason.RECIPIENT_UNAVAILABLE, "they left")
        next(iter(net.open.values())).set_exception(gone)
        await office.until(lambda: len(office.notices) == 1)
        (notice,) = office.notices
        assert (notice.person, notice.text) == (BO, "Not delivered to kestrel on libera: they left.")
        assert (notice.about, notice.to) == (None, None), "it is nowhere on their network"
        again = await there.post(BO, by_id("id-of-these-tests"))
        assert (again.status, told(again)["reason"], told(again)["error"]) == (
            404,
            "recipient-unavailable",
            "they left",
        )


@pytest.mark.conforms("RFC3860:3.4.1:4:failure", "RFC2779:5.4.1", "RFC2779:4.2.1")
@pytest.mark.parametrize("reason", Reason)
async def test_a_failure_is_told_once_to_the_program_alone(tmp_path: Path, reason: Reason) -> None:
    async with asking(tmp_path) as there:
        libera(there).answer = lambda part: SendError.permanent(reason, "so it is")
        answer = await there.post(BO, by_id("id-of-these-tests"))
        assert (answer.status, told(answer)) == (
            STATUS[reason],
            {
                "result": "failure",
                "message_id": "id-of-these-tests",
                "reason": reason.value,
                "error": "so it is",
            },
        )
        assert 400 <= answer.status < 600
        again = await there.post(BO, by_id("id-of-these-tests"))
        assert (again.status, told(again)) == (answer.status, told(answer))
    store = Store(config(tmp_path, {}).store)
    await store.open()
    assert await store.read(partial(untold, since=0.0)) == [], "nor is it told after a restart"
    await store.close()
    assert not there.nets["office"].notices


@pytest.mark.conforms("RFC3860:3.4.1:order", "RFC3860:3.4.1:1")
async def test_an_inbox_that_is_none_is_the_first_thing_to_fail(there: Asking) -> None:
    await there.say(KESTREL, "reject bo@example.net")
    for bad in ("im:", "im:?body=hi", "im:bo", "pres:kestrel@libera", "mailto:kestrel@libera", "im:a%zz@libera"):
        for body in (written(sender=bad), written(to=bad)):
            answer = await there.post(BO, body)
            assert (answer.status, told(answer)["result"]) == (400, "failure"), bad
        nowhere = await there.post(BO, written(sender=bad, to="im:x@nowhere.example"), "/im/im:x@nowhere.example")
        assert nowhere.status == 400, "before it is looked for"
    for in_path in ("/im/kestrel@libera", "/im/pres:kestrel@libera", "/im/im:%3Fbody=hi", "/im/im:"):
        assert (await there.post(BO, written(), in_path)).status == 400


@pytest.mark.conforms("RFC3860:3.4.1:order", "RFC3860:3.4.1:2")
async def test_one_that_cannot_be_resolved_is_the_next(tmp_path: Path) -> None:
    async with asking(tmp_path, Rules(dm_per_hour=0)) as there:
        for inbox in ("im:kestrel@nowhere.example", "im:kestrel@elsewhere", "im:cy%40example.net@office"):
            answer = await there.post(BO, written(to=inbox), f"/im/{inbox}")
            assert (answer.status, told(answer).get("reason")) in ((404, None), (404, "item-not-found")), inbox
        assert (await there.post(BO, written())).status == 403, "nobody may start a conversation"


@pytest.mark.conforms("RFC3860:3.4.1:3", "RFC2779:2.3.5", "RFC2779:5.4.10")
async def test_who_may_not_be_written_to_is_the_third_and_a_refused_message_may_come_again(there: Asking) -> None:
    await there.say(KESTREL, "reject bo@example.net")
    refused = await there.post(BO, by_id("id-of-these-tests"))
    assert (refused.status, told(refused)["reason"]) == (403, "forbidden")
    assert told(refused)["error"] == "they do not take messages from you"
    assert not libera(there).sent
    assert not there.nets["office"].notices, "who asks is told, and nobody else"
    await there.say(KESTREL, "forget bo@example.net")
    assert (await there.post(BO, by_id("id-of-these-tests"))).status == 200
    assert len(libera(there).sent) == 1


async def test_one_that_was_taken_in_and_then_refused_is_not_said_to_be_on_its_way(there: Asking) -> None:
    """The rule came between the question and the taking in."""
    await there.say(KESTREL, "reject bo@example.net")
    event = private("good morning", BO, KESTREL.address)
    await there.nets["office"].core.accept(replace(event, origin=origin_of(BO.address, "id-of-these-tests")))
    await there.say(KESTREL, "forget bo@example.net")
    answer = await there.post(BO, by_id("id-of-these-tests"))
    assert (answer.status, told(answer)["error"]) == (
        403,
        "it was refused when it came; hand it in again by another id",
    )
    assert not libera(there).sent


async def test_programs_start_no_more_conversations_than_people_do(tmp_path: Path) -> None:
    async with asking(tmp_path, Rules(dm_per_hour=2)) as there:
        for number in range(2):
            inbox = f"im:bird{number}@libera"
            assert (await there.post(BO, written(to=inbox), f"/im/{inbox}")).status == 200
        refused = await there.post(BO, written())
        assert (refused.status, told(refused)["reason"]) == (429, "policy-violation")
        assert "within an hour" in told(refused)["error"]
        again = "im:bird1@libera"
        assert (await there.post(BO, written(to=again), f"/im/{again}")).status == 200, "what is open stays open"


async def test_from_is_whose_token_it_is(there: Asking) -> None:
    for sender, status in {
        "im:bo%40example.net@office": 200,
        "im:bo@example.net": 200,
        "IM:bo@EXAMPLE.net": 200,
        "im:cy@example.net": 403,
        "im:kestrel@libera": 403,
        "im:anonymous@anonymous.invalid": 404,
    }.items():
        answer = await there.post(BO, written(sender=sender))
        assert answer.status == status, sender
    assert {part.speaker for part in libera(there).sent} == {BO}
    assert len(libera(there).sent) == 3


async def test_to_names_the_inbox_of_the_path(there: Asking) -> None:
    mine = "im:kestrel@libera"
    many = written(to="im:merlin@libera", more=f"To: <{mine}>\ncc: <im:ana@example.org>")
    assert (await there.post(BO, many)).status == 200
    assert (await there.post(BO, written(to="im:merlin@libera"))).status == 400
    assert [part.place.native for part in libera(there).sent] == ["kestrel"]


@pytest.mark.conforms("RFC3922:4.2.9:charset", "RFC3922:4.2.9:other")
async def test_what_is_no_text_is_not_said(there: Asking) -> None:
    for kind in (
        "text/html; charset=utf-8",
        "image/png",
        "text/plain; charset=iso-8859-1",
        "application/pkcs7-mime",
        "message/imdn+xml",
        "multipart/mixed; boundary=x",
    ):
        answer = await there.post(BO, written("x", kind=kind))
        assert (answer.status, told(answer)["result"]) == (415, "failure"), kind
    for outer in ("text/plain", "application/octet-stream", "message/cpim-x"):
        assert (await there.post(BO, written(), Content_Type=outer)).status == 415
    assert (await there.post(BO, written(), Content_Encoding="gzip")).status == 415
    for body, status in ((b"", 400), (b"\xff", 400), (b"From: <im:x@y>\r\n\r\n", 400), (written(""), 400)):
        assert (await there.post(BO, body)).status == status
    assert (await there.post(BO, b"x" * (64 * 1024 + 1))).status == 413
    assert not libera(there).sent


async def test_what_others_write_loosely_is_read(there: Asking) -> None:
    loose = written("Grüße").replace(b"\r\n", b"\n").replace(b"To: <", b"To:<")
    assert (await there.post(BO, loose)).status == 200
    assert texts(libera(there)) == ["Grüße"]


@pytest.mark.conforms("RFC3862:3.5:required", "RFC3922:4.2.7")
async def test_what_is_required_and_not_understood_is_not_processed(there: Asking) -> None:
    foreign = "NS: my <urn:x-these:tests>\nRequire: my.Thing\nmy.Thing: x"
    answer = await there.post(BO, written(more=foreign))
    assert (answer.status, told(answer)["reason"]) == (501, "feature-not-implemented")
    assert "urn:x-these:tests" in told(answer)["error"]
    assert not libera(there).sent
    known = f"{NS}\nRequire: imdn.Message-ID,imdn.Disposition-Notification\nimdn.Message-ID: id-of-these-tests"
    assert (await there.post(BO, written(more=f"{known}\nimdn.Disposition-Notification: display"))).status == 200


@pytest.mark.conforms("RFC3860:3.4.2:one", "RFC3860:3.4.2:none")
async def test_each_gateway_takes_one_hop_off_and_none_is_left_for_a_loop(there: Asking) -> None:
    hops = "NS: r <org.rialto.bridge:cpim>\nr.Hops: {}"
    for left in (0, 1):
        answer = await there.post(BO, written(more=hops.format(left)))
        assert (answer.status, told(answer)["reason"]) == (406, "not-acceptable")
    for left in (2, 10**9):
        assert (await there.post(BO, written(more=hops.format(left)))).status == 200
    assert [part.hops for part in libera(there).sent] == [1, HOPS - 1]
    assert (await there.post(BO, written(more=hops.format("many")))).status == 400


async def test_the_result_as_a_report_where_the_sender_asked_to_be_told(there: Asking) -> None:
    wants = "imdn.Disposition-Notification: positive-delivery, negative-delivery, processing"
    for outcome, status, kind, said in (
        (Receipt("native"), 200, imdn.Kind.DELIVERY, imdn.Status.DELIVERED),
        (Receipt(None, Status.INDETERMINANT), 202, imdn.Kind.PROCESSING, imdn.Status.PROCESSED),
        (SendError.permanent(Reason.GONE, "gone"), 410, imdn.Kind.DELIVERY, imdn.Status.FAILED),
    ):
        libera(there).answer = lambda part, outcome=outcome: outcome  # type: ignore[misc]
        answer = await there.post(BO, by_id(f"id-{status}", more=wants))
        assert (answer.status, answer.headers["Content-Type"]) == (status, "message/imdn+xml")
        report = imdn.loads(answer.body)
        assert (report.message_id, report.kind, report.status) == (f"id-{status}", kind, said)
        assert report.recipient == "im:kestrel@libera"


PIECES = st.sampled_from(
    [
        *(
            "From",
            "To",
            "cc",
            "DateTime",
            "Subject",
            "NS",
            "Require",
            "Content-Type",
            "imdn",
            "r",
            "Hops",
            "Span",
            "Media",
        ),
        *(": ", ".", ";", "<", ">", "=", ",", "%", "?", "@", "\r\n", "\r\n\r\n", "\n", "\\u0000", "\0"),
        *("<im:bo@example.net>", "<urn:ietf:params:imdn>", "<org.rialto.bridge:cpim>", "imdn.Message-ID: x\r\n"),
        *("imdn.Disposition-Notification: positive-delivery\r\n", "imdn.Original-To: <x:y>\r\n", "bold", "1e9", "-1"),
        *("r.Hops: ", "r.Span: ", "r.Mention: im:", "r.Reply-To: %", "r.Media: image", "text/plain; charset=utf-8"),
    ]
)


HOPS_NS = "NS: r <org.rialto.bridge:cpim>"
HEADERS = st.builds(
    "{}: {}".format,
    st.sampled_from(
        [
            *("Subject", "cc", "To", "imdn.Message-ID", "imdn.Disposition-Notification", "imdn.Original-To", "r.Kind"),
            *("r.Thread", "r.Reply-To", "r.Replaces", "r.Span;start=0;end=4", "r.Media;size=1", "r.Location;uri=geo:1"),
            *("r.Mention", "r.Network", "r.Native-Id", "r.Protection", "r.Hops"),
        ]
    ),
    st.sampled_from(
        [
            *("x", "emote", "bold", "image", "geo", "7", "im:kestrel@libera", "<im:kestrel@libera>", "<im:x@y>", "%41"),
            *("positive-delivery, negative-delivery, processing", "end-to-end", "A \\u0001 <x:y>"),
        ]
    )
    | st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=10),
)


@given(
    st.binary(max_size=200)
    | st.lists(PIECES | st.text(max_size=5), max_size=30).map(lambda found: "".join(found).encode("utf-8", "replace"))
    | st.lists(HEADERS, max_size=6).map(lambda found: written(more="\n".join([NS, HOPS_NS, *found])))
)
def test_whatever_is_sent_is_taken_or_refused(body: bytes) -> None:
    """With a status of the sender's own trouble: nothing that they send is a fault of ours."""
    refusal = None
    try:
        read = messages._read(body)
        for each in (read.sender, *read.to):
            messages._uri(each.uri, "To")
        message, envelope = messages._said(read)
        event = messages._event(message, envelope, BO, KESTREL.address, envelope.id or "x", 1e9)
        for result in (SUCCESS, INDETERMINANT, Result(Status.FAILURE, BUSY)):
            assert messages._response(read, result, envelope.id or "x", 1e9).status in (200, 202, 503)
        assert event.hops <= HOPS
    except RefusedError as refused:
        refusal = refused.answer.status
    assert refusal in (None, 400, 415)


async def test_when_it_was_written_is_believed_within_a_day(there: Asking) -> None:
    began = time.time()
    for ago in (60, 2 * DAY, -DAY):
        assert (await there.post(BO, written(when=began - ago))).status == 200
    believed, *others = [part.when for part in libera(there).sent]
    assert abs(believed - (began - 60)) < 0.001
    assert all(began <= when <= time.time() for when in others)


async def test_nobody_writes_without_a_token(there: Asking) -> None:
    answer = await there.post(None, written())
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    wrong = await there.post(None, written(), Authorization="Bearer rialto_" + "x" * 32)
    assert (wrong.status, wrong.headers["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')
    assert not libera(there).sent


async def test_the_name_of_a_sender_is_what_they_are_called_in_rooms(there: Asking) -> None:
    await there.nets["office"].core.accept(Joined(OFFICE, Person(BO.address, "Bo the Baker")))
    assert (await there.post(BO, written())).status == 200
    assert [part.speaker.name for part in libera(there).sent] == ["Bo the Baker"]


async def test_so_many_may_wait_for_an_outcome_and_no_more(there: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.submissions.MOST_OF_ONE", 2)
    net = libera(there)
    net.answer = lambda part: None
    await there.token(BO)
    waiting = [asyncio.create_task(there.post(BO, by_id(f"id-{number}"))) for number in range(2)]
    await net.until(lambda: len(net.open) == 2)
    busy = await there.post(BO, by_id("id-2"))
    assert (busy.status, told(busy)["reason"]) == (503, "resource-constraint")
    net.answer = lambda part: Receipt("native")
    assert (await there.post(CY, written(by=CY.address))).status == 200, "others do not suffer"
    for confirmation in net.open.values():
        confirmation.set_result(Receipt("native"))
    assert [(await each).status for each in waiting] == [200, 200]
    assert (await there.post(BO, by_id("id-2"))).status == 200
