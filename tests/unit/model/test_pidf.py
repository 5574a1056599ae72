"""PIDF read and written: RFC 3863, RFC 4479, RFC 4480."""

from dataclasses import replace

import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.model import pidf
from bridge.model.elements import Extension
from bridge.model.pidf import Activities, Device, Document, Person, PidfError, Service, UserInput
from bridge.model.presence import Activity, Basic, Show
from tests.unit.model.documents import DOCUMENTS, HEAD, PIDF, document, one_tuple
from tests.unit.model.schemata import presence_schema

OPEN = Service("a", Basic.OPEN)
ANA = "pres:ana@xmpp.example"


def only(data: bytes) -> Service:
    """The one service of a document."""
    (service,) = pidf.loads(data).services
    return service


# Reading


@pytest.mark.conforms("RFC2779:3.1.2", "RFC3863:4.2.1", "RFC3863:4.2.2")
@pytest.mark.parametrize(
    "text",
    [
        f'<presence xmlns="{PIDF}" entity="{ANA}"><tuple id="a"><status><basic>open</basic></status></tuple>'
        "</presence>",
        f'<i:presence xmlns:i="{PIDF}" entity="{ANA}"><i:tuple id="a"><i:status><i:basic>open</i:basic></i:status>'
        "</i:tuple></i:presence>",
        f'<i:presence xmlns:i="{PIDF}" entity="{ANA}"><tuple xmlns="{PIDF}" id="a"><status><j:basic xmlns:j="{PIDF}">'
        "\n open </j:basic></status></tuple></i:presence>",
    ],
)
def test_prefixes_mean_nothing(text: str) -> None:
    assert pidf.loads((HEAD + text).encode()) == Document(ANA, (OPEN,))


@pytest.mark.conforms("RFC3863:4.1:utf-8")
def test_encodings() -> None:
    text = f'<presence xmlns="{PIDF}" entity="{ANA}"><note>Köln</note></presence>'
    for encoding in ("utf-8", "utf-16", "iso-8859-1"):
        declared = f'<?xml version="1.0" encoding="{encoding}"?>{text}'.encode(encoding)
        assert pidf.loads(declared).notes == (("", "Köln"),)
    assert pidf.loads(text.encode()).notes == (("", "Köln"),)


@pytest.mark.conforms("RFC2779:4.4.1", "RFC2779:4.4.2", "RFC3863:4.1.4")
@pytest.mark.parametrize(("written", "basic"), [("open", Basic.OPEN), ("closed", Basic.CLOSED)])
def test_open_and_closed(written: str, basic: Basic) -> None:
    assert only(one_tuple("", f"<basic>{written}</basic>")).basic is basic


@pytest.mark.conforms("RFC3863:4.1.4")
@pytest.mark.parametrize("written", ["OPEN", "", "away", "open closed"])
def test_another_basic_status_is_no_tuple(written: str) -> None:
    data = document(
        f'<tuple id="a"><status><basic>{written}</basic></status></tuple>'
        '<tuple id="b"><status><basic>closed</basic></status></tuple>'
    )
    assert only(data) == Service("b", Basic.CLOSED)


@pytest.mark.conforms("RFC3863:4.1.3", "RFC3863:4.2.4", "RFC4479:3.6")
def test_status_without_basic() -> None:
    assert only(one_tuple("", "<x:mood>fine</x:mood>")) == Service(
        "a", status_extensions=(Extension('<mood xmlns="urn:example:x">fine</mood>'),)
    )
    assert only(document('<tuple id="a"/>')) == Service("a")


@pytest.mark.conforms("RFC3863:4.1.5:priority", "RFC3863:4.1.5:wrong")
@pytest.mark.parametrize(
    ("written", "priority"),
    [
        ("0", 0.0),
        ("0.021", 0.021),
        ("0.5", 0.5),
        ("1.00", 1.0),
        ("1.", 1.0),
        ("1.001", None),
        ("0.1234", None),
        ("-0.1", None),
        ("2", None),
        ("", None),
        ("high", None),
        ("\u0660", None),
    ],
)
def test_contact_and_priority(written: str, priority: float | None) -> None:
    found = only(one_tuple(f'<contact priority="{written}">\n im:ana@xmpp.example </contact>'))
    assert found == replace(OPEN, contact="im:ana@xmpp.example", priority=priority)


@pytest.mark.conforms("RFC2779:2.1.2", "RFC2779:3.1.3", "RFC2779:4.4.3", "RFC4479:3.3")
def test_other_means_have_tuples_of_their_own() -> None:
    found = pidf.loads(
        document(
            '<tuple id="a"><status><basic>closed</basic></status><contact>im:ana@xmpp.example</contact></tuple>'
            '<tuple id="b"><status><basic>open</basic></status><contact>mailto:ana@example.org</contact></tuple>'
        )
    )
    assert [(each.basic, each.contact) for each in found.services] == [
        (Basic.CLOSED, "im:ana@xmpp.example"),
        (Basic.OPEN, "mailto:ana@example.org"),
    ]


@pytest.mark.conforms("RFC3863:4.1.6:place", "RFC3863:4.1.6:language")
def test_notes_have_languages_of_their_own_or_from_around() -> None:
    data = document(
        '<tuple id="a"><status/><note xml:lang="fr">thé</note><note>Tee</note><note xml:lang="">?</note>'
        '<note xml:lang="not a tag">!</note></tuple><note>here</note>',
        more=' xml:lang="de"',
    )
    found = pidf.loads(data)
    assert found.services[0].notes == (("fr", "thé"), ("de", "Tee"), ("", "?"), ("", "!"))
    assert found.notes == (("de", "here"),)


@pytest.mark.conforms("RFC3863:4.1.7:form")
@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01T01:00:00+01:00", 0.0),
        ("1970-01-01T00:00:00.5Z", 0.5),
        ("1970-01-01T00:00:00.123456789Z", 0.123456),
        ("2016-12-31T23:59:60Z", 1483228800.0),
        (" 1970-01-01t00:00:01z ", 1.0),
        ("1970-01-01T00:00:00-00:00", 0.0),
        ("1970-01-01", None),
        ("1970-01-01T00:00:00", None),
        ("1970-W01-4T00:00:00Z", None),
        ("1970-13-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+23:59", None),
        ("9999-12-31T23:59:60Z", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_timestamps(written: str, seconds: float | None) -> None:
    assert only(one_tuple(f"<timestamp>{written}</timestamp>")).timestamp == seconds


@pytest.mark.conforms("RFC2779:3.1.4", "RFC3863:4.2", "RFC3863:4.2.3:unknown")
def test_what_is_unknown_is_passed_over_with_all_it_holds() -> None:
    data = document(
        '<p:unheard><tuple id="n"><status/></tuple></p:unheard>'
        '<tuple id="a" x:new="1"><unheard/><status><x:s><basic>closed</basic></x:s><basic>open</basic></status>'
        "<x:t><contact>im:no</contact><note>no</note></x:t><note>yes<x:b>no</x:b></note></tuple>"
        '<x:u><tuple id="m"><status/></tuple></x:u>'
    )
    found = pidf.loads(data)
    (service,) = found.services
    assert (service.basic, service.contact, service.notes) == (Basic.OPEN, "", (("", "yes"),))


@pytest.mark.conforms("RFC2779:3.1.4", "RFC3859:3.3:relay")
def test_what_is_foreign_is_kept_for_relays() -> None:
    data = document(
        '<tuple id="a"><status><basic>open</basic><x:s y="1">in &amp; out</x:s></status><x:t x:z="2"><note>n</note>'
        '</x:t></tuple><dm:person id="p"><r:mood><r:happy/></r:mood></dm:person>'
        '<x:u xmlns:y="urn:y"><y:v/><w xmlns=""/></x:u>'
    )
    found = pidf.loads(data)
    assert found.services[0].status_extensions == (Extension('<s xmlns="urn:example:x" y="1">in &amp; out</s>'),)
    assert found.services[0].extensions == (
        Extension(f'<t xmlns="urn:example:x" xmlns:n0="urn:example:x" n0:z="2"><note xmlns="{PIDF}">n</note></t>'),
    )
    assert found.persons[0].extensions == (
        Extension('<mood xmlns="urn:ietf:params:xml:ns:pidf:rpid"><happy></happy></mood>'),
    )
    assert found.extensions == (Extension('<u xmlns="urn:example:x"><v xmlns="urn:y"></v><w xmlns=""></w></u>'),)
    assert pidf.loads(pidf.dumps(found)) == found


@pytest.mark.conforms("RFC3863:4.2.3:must")
def test_what_must_be_understood_is_marked() -> None:
    data = one_tuple('<x:c p:mustUnderstand="true"/><x:c p:mustUnderstand=" 1 "/><x:c p:mustUnderstand="0"/><x:c/>')
    assert [each.must_understand for each in only(data).extensions] == [True, True, False, False]


@pytest.mark.conforms("RFC3863:4.2.4", "RFC8048:5.2:show")
@pytest.mark.parametrize("show", Show)
def test_shows_in_the_status(show: Show) -> None:
    assert only(one_tuple("", f'<basic>open</basic><show xmlns="jabber:client">{show}</show>')).show is show
    assert only(one_tuple("", '<basic>open</basic><show xmlns="jabber:client">asleep</show>')).show is None


@pytest.mark.conforms("RFC4479:3.2", "RFC4479:3.4", "RFC4480:3.2:values")
def test_persons_and_devices() -> None:
    data = document(
        '<dm:person id="p"><r:activities from="1970-01-01T00:00:01Z" until="1970-01-01T00:00:02Z">'
        '<r:note xml:lang="en">so</r:note><r:away/><r:lunch/><r:other>tea</r:other><x:dance/></r:activities>'
        '<r:activities><r:unknown/></r:activities><dm:note xml:lang="en">n</dm:note>'
        "<dm:timestamp>1970-01-01T00:00:03Z</dm:timestamp></dm:person>"
        '<dm:device id="d"><r:user-input idle-threshold="600" last-input="1970-01-01T00:00:04Z">idle</r:user-input>'
        "<dm:deviceID> urn:uuid:1 </dm:deviceID></dm:device>"
        '<dm:device id="e"/><dm:device><dm:deviceID>urn:x</dm:deviceID></dm:device><dm:person/>'
    )
    assert pidf.loads(data) == Document(
        ANA,
        persons=(
            Person(
                "p",
                (
                    Activities(
                        frozenset({Activity.AWAY, Activity.MEAL}),
                        (("", "tea"),),
                        (("en", "so"),),
                        1.0,
                        2.0,
                        (Extension('<dance xmlns="urn:example:x"></dance>'),),
                    ),
                    Activities(frozenset({Activity.UNKNOWN})),
                ),
                None,
                (("en", "n"),),
                3.0,
            ),
        ),
        devices=(Device("d", "urn:uuid:1", UserInput(True, 4.0, 600)),),
    )


@pytest.mark.conforms("RFC4480:3.2:values")
@pytest.mark.parametrize("activity", Activity)
def test_every_activity(activity: Activity) -> None:
    found = pidf.loads(document(f'<dm:person id="p"><r:activities><r:{activity}/></r:activities></dm:person>'))
    assert found.persons[0].activities == (Activities(frozenset({activity})),)
    presence_schema().validate(pidf.dumps(found).decode())
    assert pidf.loads(pidf.dumps(found)) == found


@pytest.mark.conforms("RFC4480:3.2:unknown")
def test_unknown_stands_alone() -> None:
    inner = "<r:activities><r:unknown/><r:away/></r:activities>"
    (person,) = pidf.loads(document(f'<dm:person id="p">{inner}</dm:person>')).persons
    assert person.activities == (Activities(frozenset({Activity.AWAY})),)


@pytest.mark.conforms("RFC4480:3.14")
@pytest.mark.parametrize(
    ("inner", "found"),
    [
        ("<r:user-input>active</r:user-input>", UserInput(False)),
        ("<r:user-input>idle</r:user-input>", UserInput(True)),
        ('<r:user-input last-input="never" idle-threshold="0">idle</r:user-input>', UserInput(True)),
        ("<r:user-input>asleep</r:user-input>", None),
        ('<r:user-input>idle<x:not p:mustUnderstand="1"/></r:user-input>', None),
    ],
)
def test_user_input(inner: str, found: UserInput | None) -> None:
    assert only(one_tuple(inner)).user_input == found


def test_bare_resources_become_ids() -> None:
    """RFC 3922's examples have resources as they are, and resources may be no XML IDs."""
    found = pidf.loads(document('<tuple id="balcony"><status/></tuple><tuple id="my phone"><status/></tuple>'))
    assert [each.id for each in found.services] == ["balcony", "ID-my_20_phone"]
    presence_schema().validate(pidf.dumps(found).decode())


# Refusing


@pytest.mark.conforms(
    "RFC3863:4.1:xml", "RFC3863:4.1.1:root", "RFC3863:4.1.1:entity", "RFC3863:4.1.2:id", "RFC3922:5.2"
)
@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not well-formed"),
        (b"<presence", "not well-formed"),
        (b"<presence entity='pres:a@b'/>", "the root is <presence> of namespace ''"),
        (f'<note xmlns="{PIDF}"/>'.encode(), "the root is <note>"),
        (f'<presence xmlns="{PIDF}"/>'.encode(), "there is no entity"),
        (document("", entity=""), "there is no entity"),
        (document("", entity="ana@xmpp.example"), "no absolute URI"),
        (document("", entity="pres:a b"), "no absolute URI"),
        (document("<tuple><status/></tuple>"), "a tuple has no id"),
        (document('<tuple id=" "><status/></tuple>'), "a tuple has no id"),
        (document('<tuple id="a"><status/></tuple><tuple id="a"><status/></tuple>'), "'a' occurs twice"),
        (document('<tuple id="a"><status/></tuple><dm:person id="a"/>'), "'a' occurs twice"),
        (document("<q:x/>"), "unbound prefix"),
        (document("\x01"), "not well-formed"),
        (document("").replace(b"UTF-8", b"no-such-8"), "encoding"),
        (document("").replace(b"UTF-8", b"big5"), "encoding"),
        (document("<note>\u00e9</note>").replace(b"\xc3\xa9", b"\xe9"), "not well-formed"),
        (document("") + b"<more/>", "not well-formed"),
    ],
)
def test_what_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(PidfError, match=why):
        pidf.loads(data)


@pytest.mark.parametrize(
    "doctype",
    [
        "<!DOCTYPE presence>",
        '<!DOCTYPE presence SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE presence [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE presence [<!ENTITY % a SYSTEM "http://127.0.0.1/">%a;]>',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_no_document_types_and_so_no_entities(doctype: str, encoding: str) -> None:
    text = f'<?xml version="1.0"?>{doctype}<presence xmlns="{PIDF}" entity="{ANA}"><note>&b;</note></presence>'
    with pytest.raises(PidfError, match="document type"):
        pidf.loads(text.encode(encoding))


@settings(deadline=None)
@given(st.binary() | st.text().map(str.encode))
def test_any_octets_have_an_answer(data: bytes) -> None:
    try:
        found = pidf.loads(data)
    except PidfError:
        return
    assert isinstance(found, Document)


WORDS = st.sampled_from(
    [
        "presence",
        "tuple",
        "status",
        "basic",
        "contact",
        "note",
        "timestamp",
        "dm:person",
        "dm:device",
        "dm:deviceID",
        "dm:note",
        "r:activities",
        "r:away",
        "r:other",
        "r:user-input",
        "r:mood",
        "x:y",
        "y",
    ]
)
ATTRIBUTES = st.sampled_from(
    ["", ' id="a"', ' id="b"', ' id="1 2"', ' xml:lang="de"', ' priority="0.3"', ' p:mustUnderstand="1"', ' xmlns=""',
     ' xmlns="jabber:client"', ' last-input="1970-01-01T00:00:00Z"', ' from="x"']
)  # fmt: skip
INNER = st.recursive(
    st.sampled_from(["", "open", "closed", "idle", "away", "&lt;", "<!-- c -->", "<?p i?>", "<![CDATA[<&]]>", " \n"]),
    lambda inner: st.builds(
        lambda word, attributes, parts: f"<{word}{attributes}>{''.join(parts)}</{word}>",
        WORDS,
        ATTRIBUTES,
        st.lists(inner, max_size=4),
    ),
    max_leaves=30,
)


@settings(deadline=None)
@given(INNER)
def test_what_is_read_can_be_written_and_is_the_same(inner: str) -> None:
    try:
        found = pidf.loads(document(inner))
    except PidfError:
        return
    written = pidf.dumps(found)
    assert pidf.loads(written) == found
    assert pidf.dumps(pidf.loads(written)) == written


# Writing


@settings(deadline=None)
@given(DOCUMENTS)
def test_round_trip(found: Document) -> None:
    assert pidf.loads(pidf.dumps(found)) == found


@pytest.mark.conforms("RFC2779:3.1.1", "RFC3863:4.1.1:order", "RFC3863:4.4", "RFC4479:5.1", "RFC4480:5")
@settings(deadline=None, max_examples=40)
@given(DOCUMENTS)
def test_what_is_written_is_valid(found: Document) -> None:
    presence_schema().validate(pidf.dumps(found).decode())


def test_the_schemas_refuse_something() -> None:
    """Else the test above would show nothing."""
    for inner in ("<note/><tuple id='a'><status/></tuple>", '<dm:person id="p"><r:activities><r:lunch/></r:activities>'
                  "</dm:person>", '<tuple id="1"><status/></tuple>', "<dm:device id='d'/>"):  # fmt: skip
        with pytest.raises(xmlschema.XMLSchemaException):
            presence_schema().validate(document(inner).decode())


@pytest.mark.conforms("RFC3863:4.1:declaration", "RFC3863:4.1.1:root")
def test_what_is_written_has_its_declarations() -> None:
    written = pidf.dumps(Document(ANA))
    assert written.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<presence xmlns="urn:ietf:params:xml:ns:pidf"')


@pytest.mark.conforms("RFC3863:4.1.5:priority", "RFC3863:4.1.7:form")
def test_how_values_are_written() -> None:
    service = Service("a", Basic.OPEN, None, "im:a@b", 0.5, (("en", "a<b"),), 0.25, UserInput(True, 0.0, 9))
    assert (
        b'<tuple id="a"><status><basic>open</basic></status><r:user-input idle-threshold="9" last-input='
        b'"1970-01-01T00:00:00Z">idle</r:user-input><contact priority="0.5">im:a@b</contact><note xml:lang="en">a&lt;b'
        b"</note><timestamp>1970-01-01T00:00:00.250Z</timestamp></tuple>"
    ) in pidf.dumps(Document(ANA, (service,)))


def test_what_xml_cannot_hold_is_left_out() -> None:
    notes = (("", "a\x00b\ud800c\ufffed"), ("no tag", "e"))
    assert pidf.loads(pidf.dumps(Document(ANA, notes=notes))).notes == (("", "abcd"), ("", "e"))


@pytest.mark.parametrize(
    "bad",
    [
        Document(""),
        Document("ana"),
        Document(ANA, (Service("1"),)),
        Document(ANA, (Service("a"), Service("a"))),
        Document(ANA, (Service("a"),), persons=(Person("a"),)),
        Document(ANA, (Service("a", priority=1.5),)),
        Document(ANA, (Service("a", priority=float("nan")),)),
        Document(ANA, (Service("a", timestamp=1e30),)),
        Document(ANA, (Service("a", timestamp=float("nan")),)),
        Document(ANA, (Service("a", timestamp=float("inf")),)),
    ],
)
def test_what_cannot_be_written(bad: Document) -> None:
    with pytest.raises(PidfError):
        pidf.dumps(bad)


# Ids


@pytest.mark.conforms("RFC3863:4.1.2:same", "RFC8048:5.2:id")
@given(st.text(st.characters()))
def test_ids_go_there_and_back(text: str) -> None:
    name = pidf.to_xml_id(text)
    assert pidf.from_xml_id(name) == text
    assert pidf.loads(pidf.dumps(Document(ANA, (Service(name),)))).services[0].id == name


@given(st.text() | st.text("ID-_0123456789abcdefg", max_size=12))
def test_any_id_has_a_reading(name: str) -> None:
    text = pidf.from_xml_id(name)
    assert text == name or pidf.to_xml_id(text) == name


def test_ids_as_they_are_written() -> None:
    assert pidf.to_xml_id("my phone") == "ID-my_20_phone"
    assert pidf.to_xml_id("a_b") == "ID-a_5f_b"
    assert [pidf.from_xml_id(each) for each in ("sg89ae", "ID-A_5F_B", "ID-_110000_", "ID-_41_", "ID-a_5f_b")] == [
        "sg89ae", "ID-A_5F_B", "ID-_110000_", "ID-_41_", "a_b"
    ]  # fmt: skip
