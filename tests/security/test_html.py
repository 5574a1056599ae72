"""HTML: nothing that anybody wrote reaches Matrix as markup, or a browser as a page."""

import json
import re

import aiohttp
import pytest

from adapters.matrix.outbound import content_of, notice_for, private_notice, topic_of
from adapters.matrix.translating import translate
from bridge.capabilities import Capabilities, Ordering
from bridge.contract import Voice
from bridge.downgrade import downgrade
from bridge.model.event import Event
from bridge.model.message import Message
from tests.security.fortress import ADMIN_TOKEN, fortress
from tests.unit.matrix.scenes import part, pdu, scene

EVIL = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<svg/onload=alert(1)>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;",
    "<mx-reply>x</mx-reply><style>*{display:none}</style>",
    "</body></html><iframe src=//evil.org>",
    "<<script>script>",
    "<font data-mx-bg-color='expression(alert(1))'>",
]
HTML_KEYS = re.compile(r"html|format", re.IGNORECASE)


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("voice", list(Voice))
def test_what_goes_to_matrix_is_plain_text(evil: str, voice: Voice) -> None:
    for content in (
        content_of(part(evil, voice=voice), evil),
        notice_for("@ana:example.org", evil, evil, "$1"),
        private_notice(evil, "$1"),
        topic_of(evil),
    ):
        assert not [key for key in content if HTML_KEYS.search(key)], "clients show a body as text, and nothing else"
        assert evil in json.loads(json.dumps(content)).get("body", evil)


@pytest.mark.parametrize("evil", EVIL)
def test_what_comes_from_matrix_is_read_from_its_body_alone(evil: str) -> None:
    """The formatted body may say something else than the body, and hide who said what."""
    content = {"msgtype": "m.text", "body": "plain", "format": "org.matrix.custom.html", "formatted_body": evil}
    (event,) = translate(pdu("m.room.message", content), scene()).items
    assert isinstance(event, Event)
    assert isinstance(event.content, Message)
    assert event.content.body.text == "plain"
    reduced = downgrade(
        event, Voice.BOT, Capabilities(part_bytes=400, lines=False, ordering=Ordering.STREAM, max_parts=5)
    )
    assert "plain" in "".join(text.text for _, text in reduced.parts)
    assert evil not in repr(reduced)


async def test_no_page_of_ours_can_run_anything() -> None:
    """All answers are of a type that no browser takes for a page, whoever named what stands in them."""
    async with fortress() as standing, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{standing.port}"
        for path in (
            "/healthz",
            "/readyz",
            "/metrics",
            "/api/status",
            "/home/<script>",
            "/<script>",
            "/home/users/<b>",
        ):
            for token in (None, ADMIN_TOKEN):
                headers = {"Authorization": f"Bearer {token}"} if token else {}
                async with session.get(url + path, headers=headers) as answer:
                    assert answer.content_type in ("application/json", "text/plain")
                    assert "<script>" not in await answer.text() or answer.content_type == "application/json"
