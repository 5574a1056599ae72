"""Disposition notifications (RFC 5438): what is asked for, what is told, and that it never goes round."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.model import cpim, imdn
from bridge.model.cpim import Content, CpimMessage, Extension, Mailbox, Subject
from bridge.model.imdn import STATUSES, Disposition, ImdnError, Kind, Report, Status

WHEN = 1714979289.25
ALL = frozenset(Disposition)
ANA, BO = Mailbox("im:ana@x.example", "Ana"), Mailbox("im:bo@y.example", "Bo")


def message(*dispositions: Disposition) -> CpimMessage:
    extensions = imdn.asking("7Qm2vXw0c1Zk9A", dispositions)
    return CpimMessage(ANA, (BO,), Content(b"hi"), WHEN, (Subject("a \b word"),), extensions=extensions)


@pytest.mark.conforms("RFC5438:6.1", "RFC5438:6.2", "RFC5438:6.3:id")
def test_asking() -> None:
    octets = cpim.dumps(message(Disposition.DISPLAY, Disposition.POSITIVE_DELIVERY))
    assert octets.decode().split("\r\n")[4:7] == [
        "NS: imdn <urn:ietf:params:imdn>",
        "imdn.Message-ID: 7Qm2vXw0c1Zk9A",
        "imdn.Disposition-Notification: positive-delivery, display",
    ]
    read = cpim.loads(octets)
    assert imdn.message_id(read) == "7Qm2vXw0c1Zk9A"
    assert imdn.asked(read) == {Disposition.POSITIVE_DELIVERY, Disposition.DISPLAY}
    assert imdn.asked(message()) == frozenset()
    assert imdn.message_id(message()) == "7Qm2vXw0c1Zk9A"


@pytest.mark.conforms("RFC5438:6.2")
@pytest.mark.parametrize(
    ("value", "asked"),
    [
        ("display", {Disposition.DISPLAY}),
        ("negative-delivery ,processing", {Disposition.NEGATIVE_DELIVERY, Disposition.PROCESSING}),
        ("telepathy,display", {Disposition.DISPLAY}),
        ("Display", set()),
        ("", set()),
    ],
)
def test_what_others_ask(value: str, asked: set[Disposition]) -> None:
    headers = (Extension(imdn.MESSAGE_ID, "x"), Extension(imdn.DISPOSITION_NOTIFICATION, value))
    assert imdn.asked(replace(message(), extensions=headers)) == asked


@pytest.mark.conforms("RFC5438:6.3:id")
@pytest.mark.parametrize("headers", [(), (Extension(imdn.MESSAGE_ID, "a b"),), (Extension(imdn.MESSAGE_ID, "\uffff"),)])
def test_nothing_is_told_of_a_message_without_an_id(headers: tuple[Extension, ...]) -> None:
    asking = replace(message(), extensions=(*headers, Extension(imdn.DISPOSITION_NOTIFICATION, "display")))
    assert imdn.asked(asking) == frozenset()
    assert imdn.notification(asking, Kind.DISPLAY, Status.DISPLAYED, when=WHEN, id="y") is None


@pytest.mark.conforms("RFC2779:4.1.9", "RFC5438:6.3:random")
def test_an_id_is_of_64_random_bits_or_more() -> None:
    assert imdn.new_id(bytes(range(250, 256)) + b"ab") == "-vv8_f7_YWI"
    assert imdn.asking(imdn.new_id(b"\xff" * 16))
    with pytest.raises(ValueError, match="8 random octets"):
        imdn.new_id(b"1234567")


@pytest.mark.conforms("RFC5438:6.3:id")
@pytest.mark.parametrize("identity", ["", "a b", "<a@b>", "a\n", "\uffff"])
def test_what_is_no_id(identity: str) -> None:
    with pytest.raises(ImdnError, match="no Message-ID"):
        imdn.asking(identity)
    with pytest.raises(ImdnError, match="no Message-ID"):
        imdn.dumps(Report(identity, WHEN, Kind.DISPLAY, Status.DISPLAYED))


@pytest.mark.conforms("RFC2779:4.2.1", "RFC5438:5")
@pytest.mark.parametrize(
    ("kind", "status", "wanted"),
    [
        (Kind.DELIVERY, Status.DELIVERED, Disposition.POSITIVE_DELIVERY),
        (Kind.DELIVERY, Status.FAILED, Disposition.NEGATIVE_DELIVERY),
        (Kind.DELIVERY, Status.FORBIDDEN, Disposition.NEGATIVE_DELIVERY),
        (Kind.DELIVERY, Status.ERROR, Disposition.NEGATIVE_DELIVERY),
        (Kind.PROCESSING, Status.PROCESSED, Disposition.PROCESSING),
        (Kind.PROCESSING, Status.STORED, Disposition.PROCESSING),
        (Kind.PROCESSING, Status.ERROR, Disposition.PROCESSING),
        (Kind.DISPLAY, Status.DISPLAYED, Disposition.DISPLAY),
        (Kind.DISPLAY, Status.FORBIDDEN, Disposition.DISPLAY),
    ],
)
def test_only_what_was_asked_for_is_told(kind: Kind, status: Status, wanted: Disposition) -> None:
    assert imdn.wants(message(wanted), kind, status)
    assert not imdn.wants(message(*(ALL - {wanted})), kind, status)
    assert imdn.notification(message(*(ALL - {wanted})), kind, status, when=WHEN, id="y") is None
    told = imdn.notification(message(wanted), kind, status, when=WHEN + 1, id="y")
    assert told is not None
    assert imdn.loads(told.content.body) == Report(
        "7Qm2vXw0c1Zk9A", WHEN, kind, status, BO.uri, BO.uri, "a  word"
    )  # fmt: skip


@pytest.mark.conforms("RFC5438:7.2.1:form")
def test_a_notification() -> None:
    told = imdn.notification(message(*ALL), Kind.DELIVERY, Status.DELIVERED, when=WHEN + 1, id="y")
    assert told is not None
    read = cpim.loads(cpim.dumps(told))
    assert read == told
    assert (read.sender, read.to, read.when) == (Mailbox(BO.uri), (Mailbox(ANA.uri),), WHEN + 1)
    assert read.content.type == "message/imdn+xml"
    assert read.content.header("content-disposition") == "notification"
    assert imdn.is_report(read)
    assert imdn.message_id(read) == "y"


@pytest.mark.conforms("RFC5438:7.2.1:loop")
def test_a_report_is_never_reported_on() -> None:
    told = imdn.notification(message(*ALL), Kind.DISPLAY, Status.DISPLAYED, when=WHEN, id="y")
    assert told is not None
    assert told.extension(imdn.NAMESPACE, "Disposition-Notification") is None
    forged = replace(told, extensions=imdn.asking("z", ALL))
    assert imdn.asked(forged) == frozenset()
    for kind, statuses in STATUSES.items():
        for status in statuses:
            assert imdn.notification(forged, kind, status, when=WHEN, id="y") is None


@pytest.mark.conforms("RFC5438:6.4")
@pytest.mark.parametrize(
    ("value", "uri"), [("Team <im:team@y.example>", "im:team@y.example"), ("<team>", BO.uri), ("team", BO.uri)]
)
def test_whom_the_sender_named(value: str, uri: str) -> None:
    asking = message(Disposition.DISPLAY)
    asking = replace(asking, extensions=(*asking.extensions, Extension(imdn.ORIGINAL_TO, value)))
    told = imdn.notification(asking, Kind.DISPLAY, Status.DISPLAYED, when=WHEN, id="y")
    assert told is not None
    report = imdn.loads(told.content.body)
    assert (report.recipient, report.original_recipient) == (BO.uri, uri)


def test_a_message_of_unknown_time() -> None:
    told = imdn.notification(
        replace(message(*ALL), when=None), Kind.DISPLAY, Status.DISPLAYED, when=WHEN + 2, id="y"
    )  # fmt: skip
    assert told is not None
    assert imdn.loads(told.content.body).when == WHEN + 2


@pytest.mark.conforms("RFC5438:11.1")
def test_what_cannot_be_said_of_a_kind() -> None:
    for kind, statuses in STATUSES.items():
        for status in set(Status) - statuses:
            with pytest.raises(ImdnError, match="is not said of"):
                imdn.wants(message(*ALL), kind, status)
            with pytest.raises(ImdnError, match="is not said of"):
                imdn.dumps(Report("x", WHEN, kind, status))


DOCUMENT = b"""<?xml version="1.0" encoding="UTF-8"?>
<i:imdn xmlns:i="urn:ietf:params:xml:ns:imdn" xmlns:o="urn:example:other">
  <i:message-id> 34jk324j
  </i:message-id>
  <i:datetime>2008-04-04T12:16:49-05:00</i:datetime>
  <i:recipient-uri>im:bob@example.com</i:recipient-uri>
  <i:original-recipient-uri>im:bob@example.com</i:original-recipient-uri>
  <i:subject>a &amp; b</i:subject>
  <i:delivery-notification><i:status><i:delivered/><o:how>fast</o:how></i:status></i:delivery-notification>
  <o:message-id>other</o:message-id>
</i:imdn>
"""


@pytest.mark.conforms("RFC5438:11.1")
def test_a_document() -> None:
    bob = "im:bob@example.com"
    report = Report("34jk324j", 1207329409.0, Kind.DELIVERY, Status.DELIVERED, bob, bob, "a & b")
    assert imdn.loads(DOCUMENT) == report
    assert imdn.loads(DOCUMENT.decode().replace("UTF-8", "UTF-16").encode("utf-16")) == report
    assert imdn.dumps(report).decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\r\n<imdn xmlns="urn:ietf:params:xml:ns:imdn">\r\n'
        "<message-id>34jk324j</message-id>\r\n<datetime>2008-04-04T17:16:49Z</datetime>\r\n"
        "<recipient-uri>im:bob@example.com</recipient-uri>\r\n"
        "<original-recipient-uri>im:bob@example.com</original-recipient-uri>\r\n<subject>a &amp; b</subject>\r\n"
        "<delivery-notification><status><delivered/></status></delivery-notification>\r\n</imdn>\r\n"
    )


@pytest.mark.conforms("RFC5438:11.1")
@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"</i:imdn>", b"", "not well-formed"),
        (b"<i:imdn", b"<!DOCTYPE x [<!ENTITY a 'b'>]><i:imdn", "document type"),
        (b"UTF-8", b"no-such", "encoding|not well-formed"),
        (b"UTF-8", b"shift_jis", "encoding|not well-formed"),
        (b"ns:imdn", b"ns:other", "the root is"),
        (b"i:delivery-n", b"o:delivery-n", "not one notification"),
        (b"<i:delivered/>", b"<i:displayed/>", "not one status of delivery"),
        (b"<i:delivered/>", b"<i:delivered/><i:failed/>", "not one status"),
        (b"<o:message-id>other</o:message-id>", b"<i:message-id>x</i:message-id>", "two of message-id"),
        (b"<o:message-id>other</o:message-id>", b"<i:display-notification/>", "not one notification"),
        (b" 34jk324j", b" 34jk 324j", "no Message-ID"),
        (b"34jk324j", b"", "no Message-ID"),
        (b"i:datetime>", b"o:datetime>", "not a time"),
        (b"<i:recipient-uri>im:", b"<i:recipient-uri>", "no absolute URI"),
        (b"a &amp; b", b"x" * 70_000, "are more than"),
        (b"a &amp; b", b"&other;", "not well-formed"),
        (b"a &amp; b", b"\xff", "not well-formed"),
    ],
)
def test_documents_that_are_refused(old: bytes, new: bytes, says: str) -> None:
    assert old in DOCUMENT
    with pytest.raises(ImdnError, match=says):
        imdn.loads(DOCUMENT.replace(old, new))


def test_what_is_foreign_may_stand_as_deep_as_it_likes() -> None:
    deep = DOCUMENT.replace(b"<o:how>", b"<o:how>" + b"<a>" * 5000 + b"</a>" * 5000)
    assert imdn.loads(deep) == imdn.loads(DOCUMENT)


@pytest.mark.parametrize(
    "report",
    [
        Report("x", float("inf"), Kind.DISPLAY, Status.DISPLAYED),
        Report("x", WHEN, Kind.DISPLAY, Status.DISPLAYED, BO.uri),
        Report("x", WHEN, Kind.DISPLAY, Status.DISPLAYED, BO.uri, "bo"),
        Report("x", WHEN, Kind.DISPLAY, Status.DISPLAYED, subject="alone"),
        Report("x", WHEN, Kind.DISPLAY, Status.DISPLAYED, BO.uri, BO.uri, "\x00"),
    ],
)
def test_reports_that_cannot_be_written(report: Report) -> None:
    with pytest.raises(ImdnError):
        imdn.dumps(report)


SAYINGS = st.sampled_from([(kind, status) for kind, statuses in STATUSES.items() for status in sorted(statuses)])
IDS = st.text(st.sampled_from("!#$%&'*+-.^_`|~aZ09é😀"), min_size=1)
PEOPLE = st.just(("", "", "")) | st.tuples(
    st.sampled_from(["im:a@b.example", "im:%3C@b.example?a=b&c=d"]),
    st.just("im:x'y@b.example"),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\r\n\t <>&]'\"")).filter(
        lambda text: "\ufffe" not in text and "\uffff" not in text
    ),
)


@pytest.mark.conforms("RFC5438:11.1")
@settings(deadline=None)
@given(IDS, st.integers(0, 2**31), SAYINGS, PEOPLE)
def test_what_is_written_is_read_back(
    identity: str, when: int, saying: tuple[Kind, Status], people: tuple[str, str, str]
) -> None:
    report = Report(identity, when / 8, *saying, *people)
    assert imdn.loads(imdn.dumps(report)) == report


@settings(deadline=None, max_examples=300)
@given(
    st.binary()
    | st.lists(
        st.tuples(st.integers(0, len(DOCUMENT)), st.integers(0, 9), st.binary(max_size=3)), max_size=3
    ).map(lambda changes: spoilt(changes))
)  # fmt: skip
def test_any_octets_are_a_report_or_the_codecs_error(data: bytes) -> None:
    try:
        report = imdn.loads(data)
    except ImdnError:
        return
    assert report.status in STATUSES[report.kind]


def spoilt(changes: list[tuple[int, int, bytes]]) -> bytes:
    data = DOCUMENT
    for position, length, piece in changes:
        data = data[:position] + piece + data[position + length :]
    return data
