"""``message/cpim`` (RFC 3862), by example: what is read, mended and refused, and what is written."""

from dataclasses import replace
from pathlib import Path

import pytest

from bridge.model import cpim
from bridge.model.cpim import (
    CORE,
    Content,
    CpimError,
    CpimMessage,
    Extension,
    HeaderName,
    Mailbox,
    Repair,
    Subject,
    dumps,
    entity,
    loads,
)

WEATHER = (Path(__file__).parent / "vectors" / "weather.cpim").read_bytes()
FEATURES = "mid:MessageFeatures@id.foo.example"
ANA, BO = "From: Ana Reis <im:ana@xmpp.example>", "To: <im:bo@gw.example>"
DATE = "DateTime: 2024-05-06T07:08:09Z"
WHEN = 1714979289.0
BASE = f"{ANA}|{BO}|{DATE}"
PLAIN = "Content-Type: text/plain; charset=utf-8"


def octets(metadata: str, content: str = f"{PLAIN}||hi") -> bytes:
    """The vector, in which ``|`` is CRLF."""
    return f"{metadata}||{content}".replace("|", "\r\n").encode("utf-8", "surrogateescape")


def message(metadata: str, strict: bool = True) -> CpimMessage:
    return loads(octets(metadata), strict)


def refused(metadata: str, says: str, *, mended: bool = False) -> None:
    """Strict mode refuses it, and so does tolerant mode unless it is `mended`."""
    with pytest.raises(CpimError, match=says):
        message(metadata)
    if not mended:
        with pytest.raises(CpimError):
            message(metadata, strict=False)


def mended(metadata: str, *repairs: Repair) -> CpimMessage:
    with pytest.raises(CpimError):
        message(metadata)
    read = message(metadata, strict=False)
    assert read.repairs == set(repairs)
    return read


@pytest.mark.conforms("RFC2779:4.1.2", "RFC2779:4.1.10", "RFC3862:2", "RFC3862:5.1")
def test_a_whole_object() -> None:
    assert loads(WEATHER) == CpimMessage(
        sender=Mailbox("im:pia@woods.example", "PIA THE POET"),
        to=(Mailbox("im:ed@woods.example", "Gloomy Ed"),),
        when=1000000000.25,
        subjects=(Subject("it will rain"), Subject("il pleuvra aujourd'hui", "fr")),
        required=(HeaderName(FEATURES, "VitalOption"),),
        extensions=(
            Extension(HeaderName(FEATURES, "VitalOption"), "Confirmation-requested"),
            Extension(HeaderName(FEATURES, "SillyOption"), "Use-silly-font"),
        ),
        content=Content(
            b"<body>\r\nHere is what I mean.\r\n</body>\r\n",
            "text/xml",
            (("charset", "utf-8"),),
            (("Content-ID", "<1234567890@foo.example>"),),
        ),
    )


@pytest.mark.conforms("RFC3860:3.3:relay", "RFC3862:2.2:octets", "RFC3862:2.2:order", "RFC3862:6:unchanged")
@pytest.mark.parametrize("strict", [True, False])
def test_what_was_received_is_given_back_octet_by_octet(strict: bool) -> None:
    read = loads(WEATHER, strict)
    assert entity(read) == WEATHER
    assert dumps(read) == WEATHER.partition(b"\r\n\r\n")[2]
    inner = loads(dumps(read), strict)
    assert inner == read
    assert entity(inner) == b"Content-Type: Message/CPIM\r\n\r\n" + dumps(read)


def test_a_changed_message_is_another_one() -> None:
    read = loads(WEATHER)
    changed = replace(read, subjects=())
    assert changed.octets == b""
    assert changed.start == 0
    assert b"rain" not in dumps(changed)
    assert loads(dumps(changed)) == changed
    foreign = message(f"{ANA}|{BO}|{DATE} ", strict=False)
    assert foreign.repairs == {Repair.SPACES}
    assert replace(foreign, cc=()).repairs == frozenset()


@pytest.mark.conforms("RFC3862:2.3.1:read", "RFC3862:3.2", "RFC3862:3.6", "RFC3862:4.1")
@pytest.mark.parametrize(
    ("line", "mailbox"),
    [
        ("From: Ana Reis <im:ana@xmpp.example>", Mailbox("im:ana@xmpp.example", "Ana Reis")),
        ('From: "Reis, Ana"<im:ana@xmpp.example>', Mailbox("im:ana@xmpp.example", "Reis, Ana")),
        ("From: <im:ana@xmpp.example>", Mailbox("im:ana@xmpp.example")),
        ("From: Jürgen <im:j@x.example>", Mailbox("im:j@x.example", "Jürgen")),
        ("From: O'Neil.Jr <im:j@x.example>", Mailbox("im:j@x.example", "O'Neil.Jr")),
        (r'From: "a \"b\" \\ c\u0007"<im:j@x.example>', Mailbox("im:j@x.example", 'a "b" \\ c\a')),
        ('From: "Ana  Reis "<im:j@x.example>', Mailbox("im:j@x.example", "Ana  Reis ")),
        ("From: <sip:a%20b@[::1]:5060;x=y?z>", Mailbox("sip:a%20b@[::1]:5060;x=y?z")),
    ],
)
def test_mailboxes(line: str, mailbox: Mailbox) -> None:
    read = message(f"{line}|{BO}|{DATE}")
    assert read.sender == mailbox
    assert loads(dumps(replace(read, cc=()))).sender == mailbox


@pytest.mark.conforms("RFC3862:2.2:several", "RFC3862:4.2", "RFC3862:4.3")
def test_several_recipients_in_their_order() -> None:
    read = message(f"{BASE}|cc: B <im:b@x.example>|To: <im:c@x.example>|cc: <im:d@x.example>")
    assert read.to == (Mailbox("im:bo@gw.example"), Mailbox("im:c@x.example"))
    assert read.cc == (Mailbox("im:b@x.example", "B"), Mailbox("im:d@x.example"))
    assert loads(dumps(replace(read))) == read


@pytest.mark.conforms("RFC2779:4.1.6", "RFC3862:2.2:utf-8", "RFC3862:3.3", "RFC3862:4.5")
def test_subjects_by_language() -> None:
    read = message(f"{BASE}|Subject:;lang=pt-BR Reunião às 9|Subject: a meeting|Subject:;lang=fr ")
    assert read.subjects == (Subject("Reunião às 9", "pt-BR"), Subject("a meeting"), Subject("", "fr"))


@pytest.mark.conforms("RFC3862:2.3", "RFC3862:2.3.1:read", "RFC3862:2.3.1:unknown")
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"tab\there and back\\slash", "tab\there and back\\slash"),
        (r"\b\t\n\r\"\'\\", "\b\t\n\r\"'\\"),
        (r"a\u0007\u007fb", "a\a\x7fb"),
        (r"\u00e9\u20AC", "é€"),
        (r"\x\é\u12", "xéu12"),
        ("one is lost\\", "one is lost"),
        (r"\ud83d\ude00", "😀"),
        (r"\\ud83d", r"\ud83d"),
    ],
)
def test_escapes_are_understood(written: str, meant: str) -> None:
    assert message(f"{BASE}|Subject: {written}").subjects == (Subject(meant),)


@pytest.mark.conforms("RFC3862:2.2:controls", "RFC3862:2.3.1:written")
def test_only_what_has_to_be_escaped_is() -> None:
    every = "".join(map(chr, range(0x20))) + "\x7f"
    text = f"'a' \"b\" \\ é \x85 😀{every}"
    written = dumps(replace(message(BASE), subjects=(Subject(text),)))
    line = next(line for line in written.split(b"\r\n") if line.startswith(b"Subject"))
    escaped = "".join({8: r"\b", 9: r"\t", 10: r"\n", 13: r"\r"}.get(code, rf"\u{code:04x}") for code in range(0x20))
    assert line.decode() == f"Subject: 'a' \"b\" \\\\ é \x85 😀{escaped}\\u007f"
    assert loads(written).subjects == (Subject(text),)


def test_lone_surrogates() -> None:
    read = mended(rf"{BASE}|Subject: a\ud83db\ude00\ud83d", Repair.ESCAPE)
    assert read.subjects == (Subject("a�b��"),)
    assert mended(rf"{BASE}|Subject: a\ude00", Repair.ESCAPE).subjects == (Subject("a�"),)


@pytest.mark.conforms("RFC2779:4.1.8", "RFC3862:3.4:prefix", "RFC3862:3.4:name", "RFC3862:4.6")
@pytest.mark.parametrize("space", ["", " "])
def test_namespaces(space: str) -> None:
    read = message(f"{BASE}|NS: gw{space}<urn:example:gw>|gw.Net: irc|NS: other <urn:example:gw>|other.Id: 7")
    assert read.extensions == (
        Extension(HeaderName("urn:example:gw", "Net"), "irc"),
        Extension(HeaderName("urn:example:gw", "Id"), "7"),
    )
    assert loads(dumps(replace(read))) == read


@pytest.mark.conforms("RFC3862:3.4:prefix")
def test_a_prefix_bound_again_means_the_new_one_from_there() -> None:
    read = message(f"{BASE}|NS: p <urn:a:1>|p.X: 1|NS: p <urn:a:2>|p.X: 2")
    assert [str(each.name) for each in read.extensions] == ["urn:a:1X", "urn:a:2X"]
    assert loads(dumps(replace(read))) == read


@pytest.mark.conforms("RFC3862:4")
def test_core_headers_by_another_prefix() -> None:
    read = message(f"NS: c <{CORE}>|c.From: <im:a@x.example>|c.To: <im:b@x.example>|c.{DATE}|c.Subject: x")
    assert (read.sender.uri, read.to[0].uri, read.when) == ("im:a@x.example", "im:b@x.example", WHEN)
    assert read.subjects == (Subject("x"),)
    assert read.extensions == ()


@pytest.mark.conforms("RFC3862:3.4:default", "RFC3862:4")
def test_another_default_namespace_hides_the_core() -> None:
    refused(f"NS: <urn:example:other>|{BASE}", "From: is missing")
    read = message(f"{BASE}|NS: <urn:example:other>|From: <im:c@x.example>|NS: <{CORE}>|X: y")
    assert read.extensions == (
        Extension(HeaderName("urn:example:other", "From"), "<im:c@x.example>"),
        Extension(HeaderName(CORE, "X"), "y"),
    )
    read = message(f"{BASE}|NS: <urn:example:other>|Require: Thing|NS: p <urn:a:1>|p.X: y")
    assert read.required == (HeaderName("urn:example:other", "Thing"),)
    assert read.extensions == (Extension(HeaderName("urn:a:1", "X"), "y"),)


@pytest.mark.conforms("RFC3862:7.2")
def test_the_uri_of_a_header() -> None:
    assert str(HeaderName(CORE, "Top&Tail")) == "urn:ietf:params:cpim-headers:Top%26Tail"


@pytest.mark.conforms("RFC3862:3.5:required", "RFC3862:3.5:feature", "RFC3862:4.7", "RFC3922:4.2.7")
def test_what_is_required_and_not_understood_is_told() -> None:
    read = message(f"{BASE}|NS: p <urn:a:1>|Require: p.X,Subject,Y|Require: p.Z")
    x, y, z = HeaderName("urn:a:1", "X"), HeaderName(CORE, "Y"), HeaderName("urn:a:1", "Z")
    assert read.required == (x, HeaderName(CORE, "Subject"), y, z)
    assert read.not_understood() == (x, y, z)
    assert read.not_understood({x, z}) == (y,)
    assert read.not_understood({x, y, z}) == ()
    assert message(BASE).not_understood() == ()
    other = message(f"{BASE}|NS: <urn:a:1>|Require: Subject")
    assert other.not_understood() == (HeaderName("urn:a:1", "Subject"),)


@pytest.mark.conforms("RFC3862:4.7")
@pytest.mark.parametrize("required", ["p.X", "Subject, p.X", "p.X.Y", ".X", "a b"])
def test_what_cannot_be_resolved_is_required_all_the_same(required: str) -> None:
    read = mended(f"{BASE}|Require: {required}", Repair.HEADER)
    assert HeaderName("", required.removeprefix("Subject, ")) in read.not_understood({HeaderName(CORE, "X")})


@pytest.mark.conforms("RFC3862:3.3", "RFC3862:3.6")
def test_parameters_of_unknown_headers() -> None:
    (read,) = message(rf'{BASE}|X:;p="q \"w\"";lang=en;n=42 v').extensions
    assert read == Extension(HeaderName(CORE, "X"), "v", (("p", 'q "w"'), ("lang", "en"), ("n", "42")))
    assert read.parameter("lang") == "en"
    assert read.parameter("none") is None


@pytest.mark.conforms("RFC3862:2.2:case", "RFC3862:2.2:unknown")
def test_names_are_matched_in_their_case() -> None:
    read = message(f"{BASE}|from: x|CC: y|datetime: z|subject: w")
    assert [each.name.local for each in read.extensions] == ["from", "CC", "datetime", "subject"]
    refused(f"from: <im:a@x.example>|{BO}|{DATE}", "From: is missing")


@pytest.mark.conforms("RFC3862:4.4")
@pytest.mark.parametrize(
    ("written", "when"),
    [
        ("2024-05-06T07:08:09Z", WHEN),
        ("2024-05-06t07:08:09z", WHEN),
        ("2024-05-06T09:08:09+02:00", WHEN),
        ("2024-05-06T07:08:09-00:00", WHEN),
        ("2024-05-06T07:08:09.0109999Z", WHEN + 0.010999),
        ("2016-12-31T23:59:60Z", 1483228800.0),
        ("2017-01-01T05:29:60+05:30", 1483228800.0),
        ("0001-01-01T00:00:00Z", -62135596800.0),
        ("9999-12-31T23:59:59Z", 253402300799.0),
    ],
)
def test_times(written: str, when: float) -> None:
    assert message(f"{ANA}|{BO}|DateTime: {written}").when == when


@pytest.mark.conforms("RFC3862:4.4")
@pytest.mark.parametrize(
    "written",
    ["2015-11-07T22:35+0000", "2024-05-06", "2024-05-06 07:08:09Z", "2024-13-06T07:08:09Z", "2024-05-06T24:08:09Z",
     "2024-05-06T07:08:61Z", "2024-05-06T07:08:60Z", "2024-05-06T07:08:09", "2024-05-06T07:08:09+24:00",
     "2024-05-06T07:08:09+01:60", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "0000-01-01T00:00:00Z",
     "٢٠٢٤-05-06T07:08:09Z", "yesterday"],
)  # fmt: skip
def test_what_is_no_time_is_kept_and_left_to_the_arrival(written: str) -> None:
    read = mended(f"{ANA}|{BO}|DateTime: {written}", Repair.DATE_TIME)
    assert read.when is None
    assert written.encode() in read.octets
    with pytest.raises(CpimError, match="DateTime: is missing"):
        dumps(replace(read))


@pytest.mark.conforms("RFC3862:6:headers")
def test_what_must_be_there_and_how_often() -> None:
    refused(f"{BO}|{DATE}", "From: is missing")
    refused(f"{ANA}|{DATE}", "To: is missing")
    refused(f"{ANA}|{BASE}", "From: there are two")
    refused(f"{BASE}|{DATE}", "DateTime: there are two")
    assert mended(f"{ANA}|{BO}", Repair.DATE_TIME).when is None
    read = mended(f"{BASE}|Subject:;lang=en a|Subject:;lang=EN b", Repair.SUBJECTS)
    assert read.subjects == (Subject("a", "en"), Subject("b", "EN"))


@pytest.mark.conforms(
    "RFC3862:2.2:line",
    "RFC3862:2.2:spaces",
    "RFC3862:2.2:utf-8",
    "RFC3862:2.2:controls",
    "RFC3862:3.1",
    "RFC3862:3.2",
    "RFC3862:3.6",
)
@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        (f"From: Ana, Reis <im:ana@x.example>|{BO}|{DATE}", "line 1"),
        (f"{BASE}|Subject: a\tb", "control character"),
        (f"{BASE}|Subject: a\x00b", "control character"),
        (f"{BASE}|Subject: a\x7fb", "control character"),
        (f"{BASE}|Subject: a\rb", "control character"),
        (f"{BASE}|Sub ject: a", "line 4: 'Sub ject' is no name"),
        (f"{BASE}|: a", "no name"),
        (f"{BASE}|nothing", "line 4: 'nothing' is no header"),
        (f"From: <ana@x.example>|{BO}|{DATE}", "absolute URI"),
        (f"From: ana@x.example|{BO}|{DATE}", "absolute URI"),
        (f"From: <im:a@x.example#y>|{BO}|{DATE}", "absolute URI"),
        (f"From: <im:a b@x.example>|{BO}|{DATE}", "absolute URI"),
        (f"From: <im:%4@x.example>|{BO}|{DATE}", "absolute URI"),
        (f"{BASE}|To: <//x.example>", "absolute URI"),
        (f"{BASE}|cc: x", "absolute URI"),
        (f"{BASE}|Subject:; lang=en x", "no parameter"),
        (f"{BASE}|Subject:;lang=x_y x", "language tag"),
        (f"{BASE}|Subject:;lang=en;x=y x", "language tag"),
        (f"{BASE}|Subject:;x=y x", "language tag"),
        (f"{BASE}|X:;a= x", "no parameter"),
        (f"{BASE}|X:;a=b=c x", "no parameter"),
        (f'{BASE}|X:;a="b x', "no parameter"),
        (f"From:;x=y <im:a@x.example>|{BO}|{DATE}", "takes no parameters"),
        (f"{BASE}|Require:;x=y Subject", "takes no parameters"),
        (f"{BASE}|Subject: folded| line", "line 5"),
        (f" {BASE}", "no name"),
        (f"{BASE}|Subject: \udcff", "octet .*: not UTF-8|not UTF-8"),
        (f"{BASE}|Subject: \udcc0\udcaf", "not UTF-8"),
        (f"{BASE}|Subject: \udced\udca0\udc80", "not UTF-8"),
        (f"{BASE}|Subject: \udcf8\udc88\udc80\udc80\udc80", "not UTF-8"),
        ("", "no header|no blank line"),
    ],
)
def test_what_is_refused_in_both_modes(metadata: str, says: str) -> None:
    refused(metadata, says)


@pytest.mark.conforms("RFC3862:2.2:crlf")
def test_bare_lf() -> None:
    data = octets(BASE).replace(b"\r\n", b"\n")
    with pytest.raises(CpimError):
        loads(data)
    mixed = octets(f"{BASE}|X: y").replace(b"\r\nX", b"\nX")
    with pytest.raises(CpimError, match="a bare LF"):
        loads(mixed)
    inside = octets(BASE, f"Content-ID: <x@y>|{PLAIN}||hi").replace(b"\r\nContent-Type", b"\nContent-Type")
    with pytest.raises(CpimError, match="bare LF"):
        loads(inside)
    for each in (data, mixed, inside):
        read = loads(each, strict=False)
        assert read.repairs == {Repair.LINE_ENDS}
        assert (read.when, read.content.body) == (WHEN, b"hi")
        assert dumps(read) == each


@pytest.mark.conforms("RFC3862:2.2:spaces")
@pytest.mark.parametrize(
    "line",
    ["Subject:x", "Subject:  x", "Subject: x ", "Subject: x\t", "Subject:;lang=fr  x"],
)
def test_spaces_where_none_belong(line: str) -> None:
    if "\t" in line:
        with pytest.raises(CpimError, match="control"):
            message(f"{BASE}|{line}")
    read = mended(f"{BASE}|{line}", Repair.SPACES)
    assert [each.text for each in read.subjects] == ["x"]


@pytest.mark.conforms("RFC3862:3.6")
def test_an_empty_value_is_read_and_never_written() -> None:
    read = message(f"{BASE}|X: |Subject: ")
    assert message(f"{BASE}|X: |Subject: ", strict=False) == read
    assert read.extensions == (Extension(HeaderName(CORE, "X"), ""),)
    assert read.subjects == (Subject(""),)
    for part in (replace(read, subjects=()), replace(read, extensions=())):
        with pytest.raises(CpimError, match="is empty"):
            dumps(part)


@pytest.mark.parametrize(
    ("line", "mailbox"),
    [
        ('From: "Ana" <im:a@x.example>', Mailbox("im:a@x.example", "Ana")),
        ("From: <sip:a@x.example>;gr=x", Mailbox("sip:a@x.example")),
        ("From: Ana <im:a@x.example>;gr=1", Mailbox("im:a@x.example", "Ana")),
    ],
)
def test_mailboxes_that_are_mended(line: str, mailbox: Mailbox) -> None:
    assert mended(f"{line}|{BO}|{DATE}", Repair.MAILBOX).sender == mailbox


@pytest.mark.conforms("RFC3862:3.1", "RFC3862:3.4:before")
@pytest.mark.parametrize("line", ["a.b.c: d", ".X: d", "X.: d", "p.X: d"])
def test_headers_that_are_passed_over(line: str) -> None:
    assert mended(f"{BASE}|{line}", Repair.HEADER).extensions == ()


@pytest.mark.conforms("RFC3862:3.4:uri", "RFC3862:4.6")
@pytest.mark.parametrize(
    "line", ["NS: p <urn:x:y#z>", "NS: p <relative>", "NS: p", "NS: p.q <urn:x:y>", "NS: p  <urn:x:y>"]
)
def test_namespaces_that_are_passed_over(line: str) -> None:
    mended(f"{BASE}|{line}", Repair.NAMESPACE)
    assert mended(f"{BASE}|{line}|p.X: y", Repair.NAMESPACE, Repair.HEADER).extensions == ()


def test_required_instead_of_require() -> None:
    assert message(f"{BASE}|Required: Thing").not_understood() == ()
    assert message(f"{BASE}|Required: Thing", strict=False).repairs == {Repair.REQUIRED}


@pytest.mark.conforms("RFC3862:2.4:type")
@pytest.mark.parametrize("name", ["Content-Type", "content-type"])
def test_no_blank_line_before_the_mime_headers(name: str) -> None:
    data = f"{BASE}|{name}: text/plain; charset=utf-8|Content-Length: 2||hi".replace("|", "\r\n").encode()
    with pytest.raises(CpimError):
        loads(data)
    read = loads(data, strict=False)
    assert read.repairs == {Repair.BLANK_LINE}
    assert read.content == Content(b"hi", headers=(("Content-Length", "2"),))
    with pytest.raises(CpimError, match="no blank line before the MIME headers"):
        loads(data + f"\r\n\r\n{PLAIN}\r\n\r\n".encode())


@pytest.mark.conforms("RFC3862:2.1")
@pytest.mark.parametrize("outer", ["Content-type: Message/CPIM", "CONTENT-TYPE: message/cpim|MIME-Version: 1.0"])
def test_the_type_before_the_object(outer: str) -> None:
    read = loads(octets(f"{outer}||{BASE}"))
    assert read == message(BASE)
    assert dumps(read) == octets(BASE)
    assert entity(read) == octets(f"{outer}||{BASE}")
    assert loads(octets(f"{outer}||{BASE}").replace(b"\r\n", b"\n"), strict=False) == read


@pytest.mark.conforms("RFC3862:2.1")
@pytest.mark.parametrize(
    "outer",
    ["Content-Type: text/plain", "Content-Type: Message/CPIM|Content-Transfer-Encoding: base64", "Content-ID: <x>",
     "Content-Type: Message/CPIM| folded", "Content-Type: Message/CPIM|Content-Type: Message/CPIM", "Content-Type: x"],
)  # fmt: skip
def test_another_type_before_it(outer: str) -> None:
    refused(f"{outer}||{BASE}", "before the object")


def test_the_type_before_it_without_a_blank_line() -> None:
    read = mended(f"Content-Type: Message/CPIM|{BASE}", Repair.OUTER)
    assert read == message(BASE)
    assert dumps(read) == octets(BASE)
    refused(f"Content-Type: text/plain|{BASE}", "no blank line")
    with pytest.raises(CpimError, match="bare LF"):
        loads(b"Content-Type: message/cpim\nMIME-Version: 1.0\r\n\r\n" + octets(BASE))
    for data in (b"Content-Type: message/cpim", b"Content-Type: message/cpim\n\n"):
        with pytest.raises(CpimError):
            loads(data)


@pytest.mark.conforms("RFC2779:4.1.5", "RFC3862:2.4:any")
@pytest.mark.parametrize(
    ("content", "read"),
    [
        (f"{PLAIN}||", Content(b"")),
        (f"{PLAIN}||a\0b||c", Content(b"a\0b\r\n\r\nc")),
        (
            'content-TYPE:Text/HTML;Charset="a\\"b" ; x=y||',
            Content(b"", "text/html", (("charset", 'a"b'), ("x", "y"))),
        ),
        ("Content-ID: <x|  y>|Content-Type: a/b;||z", Content(b"z", "a/b", (), (("Content-ID", "<x y>"),))),
    ],
)
def test_contents(content: str, read: Content) -> None:
    assert loads(octets(BASE, content)).content == read
    assert loads(octets(BASE, content), strict=False).content == read


@pytest.mark.conforms("RFC2779:4.1.4", "RFC3862:2.4:any")
def test_a_card_that_says_how_its_sender_can_be_reached_stays_as_it_is() -> None:
    card = b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ana Reis\r\nTEL:tel:+351-21-000\r\nEND:VCARD\r\n"
    given = replace(GOOD, content=Content(card, "text/vcard", (("charset", "utf-8"),)))
    read = loads(dumps(given))
    assert read.content == given.content
    assert dumps(read).endswith(b"Content-Type: text/vcard; charset=utf-8\r\n\r\n" + card)


@pytest.mark.conforms("RFC3862:2.4:type")
@pytest.mark.parametrize(
    "content",
    [PLAIN, f"{PLAIN}|", f"{PLAIN}|{PLAIN}||", "Content-Type: text||", "Content-Type: a/b; c||",
     "Content-Type: a/b c||", "Content-Type: a/b|x y: z||", "Content-Type: a/b|Content-ID: \0||",
     "Content-Type: a/b|Content-ID: \udcff||"],
)  # fmt: skip
def test_contents_that_are_refused(content: str) -> None:
    for strict in (True, False):
        with pytest.raises(CpimError, match=r"content|octet"):
            loads(octets(BASE, content), strict)


@pytest.mark.conforms("RFC3862:2.4:type")
@pytest.mark.parametrize(
    ("content", "body"),
    [
        ("|hi", b"hi"),
        ("hi", b"hi"),
        ("Bo: hi||there", b"Bo: hi\r\n\r\nthere"),
        ("Content-ID: <x>||hi", b"hi"),
        ("", b""),
    ],
)
def test_a_content_without_a_type(content: str, body: bytes) -> None:
    with pytest.raises(CpimError, match="content"):
        loads(octets(BASE, content))
    read = loads(octets(BASE, content), strict=False)
    assert read.repairs == {Repair.CONTENT_TYPE}
    assert (read.content.body, read.content.type) == (body, "text/plain")
    with pytest.raises(CpimError, match="not ASCII"):
        loads(octets(BASE, content + "é"), strict=False)


@pytest.mark.conforms("RFC2779:5.4.8", "RFC3922:4.2.9:text", "RFC3922:4.2.9:charset", "RFC3922:4.2.9:other")
def test_texts() -> None:
    assert Content("a\r\nb é".encode()).text() == "a\nb é"
    assert Content(b"hi", parameters=()).text() == "hi"
    encoded = (("Content-Transfer-Encoding", "Base64"),)
    assert Content(b"aMOp\r\n", headers=encoded).text() == "hé"
    assert Content(b"h=C3=A9", headers=(("content-transfer-encoding", "quoted-printable"),)).text() == "hé"
    for content in (
        Content(b"a", "text/html"),
        Content(b"a", parameters=(("charset", "latin-1"),)),
        Content(b"\xff"),
        Content(b"\xff", parameters=()),
        Content(b"a", headers=encoded),
        Content(b"a", headers=(("Content-Transfer-Encoding", "uuencode"),)),
    ):
        with pytest.raises(CpimError, match="content"):
            content.text()


@pytest.mark.conforms("RFC3862:6:wrapped")
def test_a_message_in_a_message_stays_as_it_is() -> None:
    inner = loads(WEATHER)
    outer = CpimMessage(Mailbox("im:gw@x.example"), inner.to, cpim.enclose(inner), WHEN)
    read = loads(dumps(outer))
    assert read == outer
    first, second = cpim.layers(read)
    assert (first, second) == (outer, inner)
    assert WEATHER.endswith(second.octets)
    assert list(cpim.layers(inner)) == [inner]


def test_how_deep_messages_may_stand_in_one_another() -> None:
    innermost = message(BASE)
    deep = innermost
    for _ in range(cpim.DEPTH - 1):
        deep = replace(deep, content=cpim.enclose(deep))
    assert [*cpim.layers(deep)][-1] == innermost
    with pytest.raises(CpimError, match="more than 32"):
        list(cpim.layers(replace(deep, content=cpim.enclose(deep))))


@pytest.mark.conforms("RFC3862:5.2", "RFC2779:5.4.9")
def test_a_signed_content_is_octets() -> None:
    signed = "--b|Content-Type: text/plain||a||--b|Content-Type: application/pkcs7-signature||MII=|--b--|"
    kind = 'Content-Type: multipart/signed; boundary="b"; micalg=sha-256; protocol="application/pkcs7-signature"'
    content = loads(octets(BASE, f"{kind}||{signed}")).content
    assert content.type == "multipart/signed"
    assert content.parameter("boundary") == "b"
    assert content.body == signed.replace("|", "\r\n").encode()


def test_more_octets_than_are_read() -> None:
    data = octets(BASE)
    assert loads(data, limit=len(data)) == message(BASE)
    with pytest.raises(CpimError, match="are more than"):
        loads(data, limit=len(data) - 1)


GOOD = message(BASE)
NAME = HeaderName("urn:a:1", "X")


@pytest.mark.conforms("RFC3862:3.1", "RFC3862:3.6")
@pytest.mark.parametrize(
    "value",
    [
        replace(GOOD, sender=Mailbox("ana@x.example")),
        replace(GOOD, sender=Mailbox("im:a>@x.example")),
        replace(GOOD, sender=Mailbox("im:a@x.example", "\ud800")),
        replace(GOOD, to=()),
        replace(GOOD, when=None),
        replace(GOOD, when=float("nan")),
        replace(GOOD, when=1e18),
        replace(GOOD, subjects=(Subject(" x"),)),
        replace(GOOD, subjects=(Subject("x "),)),
        replace(GOOD, subjects=(Subject("x\ud800"),)),
        replace(GOOD, subjects=(Subject("x", "no tag"),)),
        replace(GOOD, subjects=(Subject("x", "en"), Subject("y", "EN"))),
        replace(GOOD, required=(HeaderName("", "X"),)),
        replace(GOOD, required=(HeaderName("urn:a:1#x", "X"),)),
        replace(GOOD, extensions=(Extension(HeaderName("urn:a:1", "a.b"), "x"),)),
        replace(GOOD, extensions=(Extension(HeaderName(CORE, "From"), "x"),)),
        replace(GOOD, extensions=(Extension(HeaderName(CORE, "content-x"), "x"),)),
        replace(GOOD, extensions=(Extension(NAME, "x", (("a b", "c"),)),)),
        replace(GOOD, extensions=(Extension(NAME, ""),)),
        replace(GOOD, content=Content(b"", "Text/Plain")),
        replace(GOOD, content=Content(b"", "text")),
        replace(GOOD, content=Content(b"", parameters=(("Charset", "utf-8"),))),
        replace(GOOD, content=Content(b"", parameters=(("charset", "a\nb"),))),
        replace(GOOD, content=Content(b"", parameters=(("charset", "\ud800"),))),
        replace(GOOD, content=Content(b"", headers=(("content-type", "a/b"),))),
        replace(GOOD, content=Content(b"", headers=(("X", "a\r\nY: b"),))),
        replace(GOOD, content=Content(b"", headers=(("X", " a"),))),
        replace(GOOD, content=Content(b"", headers=(("X Y", "a"),))),
    ],
)
def test_values_that_cannot_be_written(value: CpimMessage) -> None:
    with pytest.raises(CpimError):
        dumps(value)


def test_a_prefix_is_chosen_for_each_namespace() -> None:
    wanted = (HeaderName("urn:a:1", "X"), HeaderName("urn:ietf:params:imdn", "Message-ID"), HeaderName("urn:b:2", "X"))
    written = dumps(replace(GOOD, required=wanted, extensions=tuple(Extension(name, "v") for name in wanted)))
    assert written.decode().split("\r\n")[3:12] == [
        "NS: ns1 <urn:a:1>",
        "NS: imdn <urn:ietf:params:imdn>",
        "NS: ns3 <urn:b:2>",
        "Require: ns1.X",
        "Require: imdn.Message-ID",
        "Require: ns3.X",
        "ns1.X: v",
        "imdn.Message-ID: v",
        "ns3.X: v",
    ]
