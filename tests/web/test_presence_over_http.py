"""``GET /presence``: every answer and its headers, over the whole core."""

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.config import Http, Listen
from bridge.contract import StartError
from bridge.model import pidf, watcherinfo
from bridge.model.address import Address, Person
from bridge.model.presence import Basic, Presence, Show, Tuple
from bridge.model.result import Failure, Reason
from bridge.rules import Pattern, Rules
from bridge.service import Service
from bridge.views import closed
from tests.unit.core.bench import config
from tests.unit.core.test_spine import networks
from tests.web.asking import (
    ANA,
    AWAY,
    BO,
    CY,
    GONE,
    HERE,
    KESTREL,
    OF_KESTREL,
    TO_KESTREL,
    Answer,
    Asking,
    asking,
    path,
    written,
)

STRANGER = Person(Address("office", "zed@elsewhere.org"), "zed")


@pytest_asyncio.fixture
async def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Asking]:
    """Kestrel is away for tea. A network has little time to answer for whom it was not following."""
    monkeypatch.setattr("bridge.presence_service.ANSWER_WITHIN", 0.05)
    async with asking(tmp_path) as made:
        made.heard(AWAY)
        yield made


def shown(answer: Answer) -> Presence:
    assert answer.status == 200, answer.text
    return pidf.loads(answer.body).presence(KESTREL.address)


@pytest.mark.conforms("RFC2779:3.1.1", "RFC2779:3.1.2", "RFC3859:3.4.3:fetch")
async def test_a_document_says_whose_it_is_and_what_they_show(there: Asking) -> None:
    answer = await there.get(OF_KESTREL, BO)
    document = pidf.loads(answer.body)
    assert document.entity == "pres:kestrel@libera"
    assert document.services[0].contact == "im:kestrel@libera"
    assert shown(answer) == AWAY
    assert answer.headers["Content-Type"] == "application/pidf+xml"
    assert answer.headers["Cache-Control"] == "private, max-age=0, must-revalidate"
    assert answer.headers["Vary"] == "Authorization"
    assert re.fullmatch(r'"[0-9a-f]{32}"', answer.headers["ETag"])
    assert parsedate_to_datetime(answer.headers["Last-Modified"]).timestamp() <= time.time()


async def test_head_answers_as_get_does_without_the_document(there: Asking) -> None:
    got, head = await there.get(OF_KESTREL, BO), await there.ask("HEAD", OF_KESTREL, BO)
    assert (head.status, head.body) == (200, b"")
    for each in (got, head):
        assert int(each.headers["Content-Length"]) == len(got.body)
    assert {name for name in head.headers if name != "Date"} == {name for name in got.headers if name != "Date"}
    assert head.headers["ETag"] == got.headers["ETag"]


@pytest.mark.conforms("RFC2779:3.3.1", "RFC2779:3.3.2")
async def test_a_copy_is_good_until_something_changes(there: Asking) -> None:
    first = await there.get(OF_KESTREL, BO)
    tag = first.headers["ETag"]
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        same = await there.get(OF_KESTREL, BO, {"If-None-Match": known})
        assert (same.status, same.body) == (304, b""), known
        for name in ("ETag", "Cache-Control", "Vary", "Last-Modified"):
            assert same.headers[name] == first.headers[name]
    assert (await there.ask("HEAD", OF_KESTREL, BO, {"If-None-Match": tag})).status == 304
    for other in ('"x"', tag.strip('"'), tag[:-1], "W/", "", ",", '"', "\u00e4"):
        assert (await there.get(OF_KESTREL, BO, {"If-None-Match": other})).status == 200, other
    there.heard(HERE)
    changed = await there.get(OF_KESTREL, BO, {"If-None-Match": tag})
    assert shown(changed) == HERE
    assert changed.headers["ETag"] != tag
    there.heard(AWAY)
    assert (await there.get(OF_KESTREL, BO, {"If-None-Match": tag})).status == 304


@pytest.mark.conforms("RFC2779:2.3.1", "RFC2779:2.3.3", "RFC2779:3.3.3")
async def test_a_copy_gets_round_no_rule(there: Asking) -> None:
    tag = (await there.get(OF_KESTREL, BO)).headers["ETag"]
    await there.say(KESTREL, "polite-block bo@example.net")
    told = await there.get(OF_KESTREL, BO, {"If-None-Match": tag})
    assert shown(told) == closed(KESTREL.address)
    assert shown(await there.get(OF_KESTREL, CY)) == AWAY, "what one may see is not what another may"
    theirs = told.headers["ETag"]
    assert (await there.get(OF_KESTREL, CY, {"If-None-Match": theirs})).status == 200
    await there.say(KESTREL, "block bo@example.net")
    for known in (tag, theirs, "*"):
        refused = await there.get(OF_KESTREL, BO, {"If-None-Match": known})
        assert (refused.status, b"tea" in refused.body) == (403, False)
        assert "ETag" not in refused.headers
        assert refused.headers["Cache-Control"].startswith("private")
    await there.say(KESTREL, "forget bo@example.net")
    assert (await there.get(OF_KESTREL, BO, {"If-None-Match": tag})).status == 304


@pytest.mark.conforms("RFC2779:5.1.15")
async def test_a_politely_blocked_watcher_is_answered_as_one_of_somebody_offline(there: Asking) -> None:
    """Statuses, names and order of headers, bodies to the letter, forms of tags, copies: all the same."""

    def form(answer: Answer) -> list[object]:
        assert re.fullmatch(r'"[0-9a-f]{32}"', answer.headers["ETag"])
        return [answer.status, *((k, "" if k == "Date" else v) for k, v in answer.headers.items()), answer.body]

    async def transcript(by: Person) -> list[object]:
        one = await there.get(OF_KESTREL, by)
        tag = {"If-None-Match": one.headers["ETag"]}
        head, same = await there.ask("HEAD", OF_KESTREL, by), await there.get(OF_KESTREL, by, tag)
        info = await there.get(f"{OF_KESTREL}/watchers", by)
        (row,) = watcherinfo.loads(info.body).lists[0].watchers
        return [*form(one), *form(head), *form(same), row.status, row.event]

    await there.say(KESTREL, "polite-block bo@example.net")
    blocked = await transcript(BO)
    there.heard(GONE)
    assert await transcript(CY) == blocked
    there.heard(AWAY)
    assert await transcript(BO) == blocked, "and nothing tells when they come and go"


@pytest.mark.conforms("RFC2779:5.1.15")
async def test_nor_can_it_be_told_while_the_network_is_out_of_reach(there: Asking) -> None:
    await there.say(KESTREL, "polite-block bo@example.net")
    there.nets["libera"].core.offline(Failure(Reason.REMOTE_SERVER_TIMEOUT, "gone"))
    blocked, other = await there.get(OF_KESTREL, BO), await there.get(OF_KESTREL, CY)
    assert (blocked.status, blocked.body) == (other.status, other.body)
    assert blocked.headers["ETag"] == other.headers["ETag"]
    assert blocked.headers["Last-Modified"] == other.headers["Last-Modified"]


@pytest.mark.conforms("RFC2779:3.2.1")
async def test_out_of_reach_they_are_closed_and_that_is_marked_as_old(there: Asking) -> None:
    there.nets["libera"].core.offline(Failure(Reason.REMOTE_SERVER_TIMEOUT, "gone"))
    answer = await there.get(OF_KESTREL, BO)
    assert shown(answer) == closed(KESTREL.address)
    (mark,) = pidf.loads(answer.body).extensions
    assert re.search(r'<stale xmlns="org\.rialto\.bridge:presence" since="20\d\d-[^"]+Z"', mark.xml)
    assert "Last-Modified" in answer.headers
    tag = answer.headers["ETag"]
    assert (await there.get(OF_KESTREL, BO, {"If-None-Match": tag})).status == 304
    there.nets["libera"].core.online()
    there.heard(AWAY)
    assert shown(await there.get(OF_KESTREL, BO, {"If-None-Match": tag})) == AWAY


async def test_of_whom_nothing_was_ever_known_there_is_no_document(there: Asking) -> None:
    answer = await there.get("/presence/pres:merlin@libera", BO)
    assert (answer.status, answer.text) == (404, '{"error": "nothing is known of them"}')
    assert "ETag" not in answer.headers


@pytest.mark.conforms("RFC2779:5.1.3")
async def test_without_a_token_nobody_sees_anything_unless_the_owner_lets_them(there: Asking) -> None:
    refused = await there.get(OF_KESTREL)
    assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    nobody = await there.get("/presence/pres:merlin@libera")
    room = await there.get(f"/presence{path('pres:%23tea%3Aexample.org@home')}")
    for other in (nobody, room):
        assert (other.status, other.body) == (refused.status, refused.body), "whether somebody is there is not told"
    await there.say(KESTREL, "allow anonymous")
    assert shown(await there.get(OF_KESTREL)) == AWAY
    rows = watcherinfo.loads((await there.get(f"{OF_KESTREL}/watchers", KESTREL)).body).lists[0].watchers
    assert [row.uri for row in rows] == ["pres:anonymous@anonymous.invalid"]
    await there.say(KESTREL, "polite-block anonymous")
    assert shown(await there.get(OF_KESTREL)) == closed(KESTREL.address)
    await there.say(KESTREL, "forget anonymous")
    assert (await there.get(OF_KESTREL)).status == 401


async def test_a_token_that_is_nobodys_is_refused_whatever_an_anonymous_may_see(there: Asking) -> None:
    await there.say(KESTREL, "allow anonymous")
    token = await there.token(BO)
    for wrong in ("Bearer x", f"Bearer {token}x", f"Bearer {token[:-1]}", f"Basic {token}", token, "Bearer"):
        answer = await there.get(OF_KESTREL, headers={"Authorization": wrong})
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"'), wrong
    assert (await there.get(f"{OF_KESTREL}?access_token={token}")).status == 200, "as anybody"
    await there.say(KESTREL, "forget anonymous")
    assert (await there.get(f"{OF_KESTREL}?access_token={token}")).status == 401


async def test_a_token_that_was_taken_back_is_nobodys(there: Asking) -> None:
    assert (await there.get(OF_KESTREL, BO)).status == 200
    assert await there.say(BO, "token revoke") == "Taken back: 1. No program can act for you any more."
    assert (await there.get(OF_KESTREL, BO)).status == 401


@pytest.mark.conforms("RFC2779:5.1.5", "RFC3859:3.4.1:2")
async def test_who_is_blocked_is_told_so_whether_or_not_anybody_is_there(there: Asking) -> None:
    await there.say(KESTREL, "block bo@example.net")
    refused = await there.get(OF_KESTREL, BO)
    assert (refused.status, refused.text) == (403, '{"error": "they do not let you see when they are there"}')
    there.nets["libera"].core.offline(Failure(Reason.REMOTE_SERVER_TIMEOUT, "gone"))
    again = await there.get(OF_KESTREL, BO)
    assert (again.status, again.body) == (refused.status, refused.body)


@pytest.mark.conforms("RFC3859:3.4.1:1", "RFC3859:A.2")
async def test_whom_a_path_means(there: Asking) -> None:
    bo = Presence(BO.address, (Tuple("phone", Basic.OPEN, show=Show.CHAT),))
    there.heard(bo)
    there.heard(Presence(ANA.address, (Tuple("matrix", Basic.OPEN),)))
    found = {
        "/presence/pres:bo%40example.net@office": "pres:bo%40example.net@office",
        f"/presence{path('pres:bo%40example.net@office')}": "pres:bo%40example.net@office",
        "/presence/pres:bo@example.net": "pres:bo@example.net",
        "/presence/PRES:bo@EXAMPLE.net": "pres:bo@example.net",
        f"/presence{path('pres:bo@example.net')}": "pres:bo@example.net",
        "/presence/pres:bo@example.net%3Fsubject=hello": "pres:bo@example.net",
        "/presence/pres:bo@example.net?subject=hello": "pres:bo@example.net",
    }
    for asked, entity in found.items():
        answer = await there.get(asked, KESTREL)
        assert answer.status == 200, asked
        document = pidf.loads(answer.body)
        assert (document.entity, document.services[0].id) == (entity, "ID-phone")
    for asked in ("/presence/pres:%40ana%3Aexample.org@home", "/presence/pres:ana@example.org"):
        assert (await there.get(asked, KESTREL)).status == 200, asked
    for asked, status in {
        "/presence/": 404,
        "/presence/x/y": 404,
        "/presence/bo@example.net": 400,
        "/presence/im:bo@example.net": 400,
        "/presence/pres:": 400,
        "/presence/pres:%3Fsubject=hello": 400,
        "/presence/pres:bo": 400,
        "/presence/pres:bo@": 400,
        "/presence/pres:%FF@office": 400,
        "/presence/pres:bo%00@office": 400,
        "/presence/pres:bo%0D%0A@office": 400,
        "/presence/pres:bo@nowhere.example": 404,
        "/presence/pres:bo@elsewhere": 404,
    }.items():
        answer = await there.get(asked, KESTREL)
        assert answer.status == status, asked


async def test_a_domain_that_two_networks_share_says_too_little(there: Asking) -> None:
    there.nets["home"].at_home_here.add("@bo:example.net")
    answer = await there.get("/presence/pres:bo@example.net", KESTREL)
    assert (answer.status, "several networks" in answer.text) == (404, True)


@pytest.mark.conforms("RFC2779:5.1.2", "RFC2779:5.1.11")
async def test_who_watches_is_for_the_owner_and_each_watcher_sees_themself(there: Asking) -> None:
    for by in (BO, CY, CY):
        assert (await there.get(OF_KESTREL, by)).status == 200
    all_of_it = await there.get(f"{OF_KESTREL}/watchers", KESTREL)
    assert (all_of_it.status, all_of_it.headers["Content-Type"]) == (200, "application/watcherinfo+xml")
    assert all_of_it.headers["Cache-Control"].startswith("private")
    info = watcherinfo.loads(all_of_it.body)
    (told,) = info.lists
    assert (info.full, told.resource, told.package) == (True, "pres:kestrel@libera", "presence")
    assert {row.uri for row in told.watchers} == {BO.address.uri("pres"), CY.address.uri("pres")}
    assert {(row.status.value, row.event.value) for row in told.watchers} == {("terminated", "timeout")}
    own = watcherinfo.loads((await there.get(f"{OF_KESTREL}/watchers", BO)).body)
    assert [row.uri for row in own.lists[0].watchers] == [BO.address.uri("pres")]
    refused = await there.get(f"{OF_KESTREL}/watchers", ANA)
    nobody = await there.get("/presence/pres:merlin@libera/watchers", ANA)
    assert (refused.status, nobody.status, refused.body == nobody.body) == (403, 403, True)
    anonymous = await there.get(f"{OF_KESTREL}/watchers")
    assert (anonymous.status, anonymous.headers["WWW-Authenticate"]) == (401, "Bearer")


async def test_watcher_information_is_the_same_until_somebody_looks(there: Asking) -> None:
    await there.get(OF_KESTREL, BO)
    first = await there.get(f"{OF_KESTREL}/watchers", KESTREL)
    tag = first.headers["ETag"]
    assert tag.startswith('W/"')
    known = {"If-None-Match": tag}
    assert (await there.get(f"{OF_KESTREL}/watchers", KESTREL, known)).status == 304
    await there.get(OF_KESTREL, CY)
    changed = await there.get(f"{OF_KESTREL}/watchers", KESTREL, known)
    versions = [watcherinfo.loads(each.body).version for each in (first, changed)]
    assert versions[0] < versions[1]


async def test_tokens_are_for_those_who_may_use_the_bridge_and_end_with_it(tmp_path: Path) -> None:
    async with asking(tmp_path) as there:
        answer = await there.nets["office"].core.command(STRANGER, "token")
        assert answer == "You may not use this bridge, and so there is nothing that I could do for you."
        there.heard(AWAY)
        assert (await there.get(OF_KESTREL, BO)).status == 200
        kept = dict(there.tokens)
    async with asking(tmp_path) as there:
        there.tokens |= kept
        there.heard(AWAY)
        assert (await there.get(OF_KESTREL, BO)).status == 200, "a restart takes nothing back"
    async with asking(tmp_path, Rules(deny=(Pattern("*:bo@*"),))) as there:
        there.tokens |= kept
        there.heard(AWAY)
        for answered in (await there.get(OF_KESTREL, BO), await there.post(BO, written())):
            assert (answered.status, answered.text) == (403, '{"error": "you may not use this bridge"}')


async def test_the_second_listener_has_what_programs_need_and_nothing_else(tmp_path: Path) -> None:
    async with asking(tmp_path, public=True) as there:
        there.heard(AWAY)
        assert (await there.get(OF_KESTREL, BO)).status == 200
        assert (await there.get(f"{OF_KESTREL}/watchers", KESTREL)).status == 200
        assert (await there.post(BO, written())).status == 200
        for closed_here in ("/metrics", "/healthz", "/readyz", "/api/status", "/api/messages?id=x", "/home/x", "/"):
            for method in ("GET", "PUT", "POST"):
                assert (await there.ask(method, closed_here)).status == 404, closed_here


async def test_a_second_listener_that_cannot_be_is_named(tmp_path: Path) -> None:
    nets = networks()
    plain = config(tmp_path, nets)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        second = Listen("127.0.0.1", taken.getsockname()[1])
        service = Service(replace(plain, http=Http(listen=plain.http.listen, public_listen=second)))
        with pytest.raises(StartError, match=f"http.public_listen: cannot listen on {second}"):
            await service.run(asyncio.Event())


async def test_other_methods_are_not_allowed(there: Asking) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert (await there.ask(method, OF_KESTREL, BO)).status == 405
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        assert (await there.ask(method, TO_KESTREL, BO)).status == 405
