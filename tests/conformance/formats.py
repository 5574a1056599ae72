"""The rules of the formats: message/cpim, PIDF, watcher information, and notifications of what became of a message."""

from tests.conformance.rows import Met, Part, Row

CPIM = Part(
    "RFC 3862: message/cpim",
    "The format of messages in the middle: `bridge/model/cpim`. What is mended when it is read tolerantly: "
    "docs/message-cpim.md.",
    (
        Row("RFC3862:2", "Metadata, and content with MIME headers of its own; blank lines between them."),
        Row("RFC3862:2.1", "The outer MIME type is message/cpim."),
        Row("RFC3862:2.2:line", "A header is one line, and never folded."),
        Row("RFC3862:2.2:length", "A line may be as long as it likes."),
        Row("RFC3862:2.2:spaces", "No space at either end of a line, and just one after the colon."),
        Row("RFC3862:2.2:utf-8", "UTF-8 throughout."),
        Row("RFC3862:2.2:crlf", "CR and LF end each line."),
        Row("RFC3862:2.2:controls", "No control characters."),
        Row("RFC3862:2.2:several", "Several headers of one name are possible."),
        Row("RFC3862:2.2:case", "Header names are compared as they are, case and all."),
        Row("RFC3862:2.2:unknown", "Unknown headers are passed over."),
        Row("RFC3862:2.2:octets", "All octets of the headers are kept."),
        Row("RFC3862:2.2:order", "So is their order."),
        Row("RFC3862:2.3", "Escapes stand for controls, and for any character of 16 bits."),
        Row(
            "RFC3862:2.3.1:written", "What has to be escaped is, by its short form where there is one; nothing else is."
        ),
        Row("RFC3862:2.3.1:read", "All the escapes are understood wherever they stand."),
        Row("RFC3862:2.3.1:unknown", "An unknown escape is the character after the backslash; a last one is nothing."),
        Row("RFC3862:2.4:type", "The content has a Content-Type."),
        Row("RFC3862:2.4:any", "The content may be of any type, and any octets."),
        Row("RFC3862:3.1", "A name has no controls, spaces or separators; a full stop ends a prefix."),
        Row("RFC3862:3.2", "Values follow the syntax of their header."),
        Row("RFC3862:3.3", "A header says which language its value is in."),
        Row("RFC3862:3.4:prefix", "A prefix that NS declares makes a header one of that namespace."),
        Row("RFC3862:3.4:name", "The prefix itself means nothing."),
        Row("RFC3862:3.4:default", "NS without a prefix is about the headers without one that follow."),
        Row("RFC3862:3.4:before", "A prefix is declared before it is used."),
        Row("RFC3862:3.4:uri", "A namespace is an absolute URI without a fragment."),
        Row("RFC3862:3.5:required", "What a message requires and is not understood makes it not to be processed."),
        Row("RFC3862:3.5:feature", "What is required need not be a header."),
        Row("RFC3862:3.6", "The syntax, sign by sign."),
        Row("RFC3862:4", "The RFC's headers are of its namespace, by whatever prefix."),
        Row("RFC3862:4.1", "From: a name, and a URI."),
        Row("RFC3862:4.2", "To: any number."),
        Row("RFC3862:4.3", "cc: any number."),
        Row("RFC3862:4.4", "DateTime: as RFC 3339 has it."),
        Row("RFC3862:4.5", "Subject: any number, each in its language."),
        Row("RFC3862:4.6", "NS: declares a namespace."),
        Row("RFC3862:4.7", "Require: names one or several things that have to be understood."),
        Row("RFC3862:5.1", "An object of the form of the RFC's example is understood."),
        Row(
            "RFC3862:5.2",
            "Objects can be signed.",
            Met.PARTLY,
            "by a signature beside the object, not around it; signed content is handed on as it is",
        ),
        Row("RFC3862:6:headers", "It is laid down which headers there are, which must be there, and how often."),
        Row("RFC3862:6:unchanged", "A gateway changes nothing in an object."),
        Row("RFC3862:6:wrapped", "Whoever wants to add something makes a new object around the old one."),
        Row("RFC3862:7.2", "The URI of a header is its namespace, and its name percent-encoded."),
    ),
)

PIDF = Part(
    "RFC 3863: presence information (PIDF)",
    "The format of presence in the middle: `bridge/model/pidf`. Where the RFC leaves a choice: docs/presence.md.",
    (
        Row("RFC3863:4.1:xml", "A document is well-formed XML."),
        Row("RFC3863:4.1:declaration", "It begins with an XML declaration that names its encoding."),
        Row("RFC3863:4.1:utf-8", "UTF-8 is understood."),
        Row("RFC3863:4.1.1:root", "The root is presence, of PIDF's namespace, which it declares."),
        Row("RFC3863:4.1.1:entity", "It has an entity: the URI of the presentity."),
        Row("RFC3863:4.1.1:order", "Tuples come first, then notes, then extensions."),
        Row("RFC3863:4.1.2:id", "A tuple has an id, which no other has."),
        Row("RFC3863:4.1.2:same", "A device has the same id in every document."),
        Row("RFC3863:4.1.2:contact", "A tuple with a basic status has a contact."),
        Row("RFC3863:4.1.3", "A status holds several values; basic need not be among them."),
        Row("RFC3863:4.1.4", "basic is open or closed, and nothing else."),
        Row("RFC3863:4.1.5:priority", "A contact's priority is from 0 to 1, with three decimals at most."),
        Row("RFC3863:4.1.5:wrong", "A priority that is none is passed over."),
        Row("RFC3863:4.1.5:missing", "Without a priority a contact has the lowest."),
        Row("RFC3863:4.1.5:higher", "The higher priority goes first."),
        Row("RFC3863:4.1.6:place", "Notes are about the presentity, or about one tuple."),
        Row("RFC3863:4.1.6:language", "Each has its language, its own or from around it."),
        Row("RFC3863:4.1.7:form", "A timestamp is as RFC 3339 has it, with capitals."),
        Row(
            "RFC3863:4.1.7:there",
            "Every tuple has one, unless the time of the change is not known.",
            Met.PARTLY,
            "where the network tells it; the time of arrival is not put in its place",
        ),
        Row(
            "RFC3863:4.1.7:each",
            "No two documents of somebody have the same timestamps.",
            Met.NOT,
            "the time is that of the change; whoever asks twice between two changes is told the same",
        ),
        Row("RFC3863:4.2", "Extensions change nothing in what basic means."),
        Row("RFC3863:4.2.1", "Prefixes mean nothing; namespaces do."),
        Row("RFC3863:4.2.2", "PIDF's namespace is the default one, or has a prefix."),
        Row("RFC3863:4.2.3:unknown", "Unknown elements are passed over with all they hold."),
        Row("RFC3863:4.2.3:must", "What must be understood and is not makes what holds it passed over."),
        Row("RFC3863:4.2.3:within", "The mark counts for nothing within what is passed over."),
        Row("RFC3863:4.2.4", "Other values of a status stand beside basic."),
        Row("RFC3863:4.3.3", "The example of what must be understood is read so."),
        Row("RFC3863:4.4", "What we write is valid against the schema."),
    ),
)

RICH_PRESENCE = Part(
    "RFC 4479 and RFC 4480: persons, devices, and what people do",
    "The data model of presence, and the part of RPID that networks can tell: activities, and since when somebody is "
    "idle.",
    (
        Row("RFC4479:3.2", "A person, apart from devices and services; what they do counts where they can be reached."),
        Row("RFC4479:3.3", "A tuple is a service, by which somebody can be reached."),
        Row("RFC4479:3.4", "Devices, each with an id that is a URN."),
        Row(
            "RFC4479:3.6", "What is not there says nothing: without a basic status a tuple is neither open nor closed."
        ),
        Row("RFC4479:5.1", "What we write is valid against the schema."),
        Row("RFC4480:3.2:values", "Every activity is read and written; one that is not known is kept."),
        Row("RFC4480:3.2:unknown", "unknown stands alone."),
        Row("RFC4480:3.2:time", "Activities hold from and until the times they name."),
        Row("RFC4480:3.14", "user-input says who is idle, and since when."),
        Row("RFC4480:5", "What we write is valid against the schema."),
    ),
)

WATCHER_INFORMATION = Part(
    "RFC 3857 and RFC 3858: watcher information",
    "How subscriptions stand: `bridge/subscriptions.py`. Who watches, as a document: `bridge/model/watcherinfo`.",
    (
        Row("RFC3857:4.6", "The owner may know of all watchers, each watcher of themself."),
        Row("RFC3857:4.7.1:pending", "Who has to be allowed first is pending, then approved."),
        Row("RFC3857:4.7.1:active", "Who may watch is active at once."),
        Row("RFC3857:4.7.1:waiting", "Who is never answered is waiting, and given up at last."),
        Row("RFC3857:4.7.1:terminated", "Rejected or timed out, it is terminated."),
        Row(
            "RFC3857:4.7.1:others",
            "deactivated, probation and noresource.",
            Met.NOT,
            "they are read and written in documents; nothing here ends a subscription so",
        ),
        Row("RFC3858:3:foreign", "Elements and attributes of other namespaces are passed over."),
        Row("RFC3858:3:attributes", "Version, state, lists, watchers, and what each of them says."),
        Row("RFC3858:3:mandatory", "What is mandatory and missing, or no value of its kind, is refused."),
        Row("RFC3858:4:merged", "Partial documents change what is known, full ones replace it."),
        Row("RFC3858:4:version", "Older documents are ignored, and it is noticed when one was missed."),
        Row("RFC3858:6", "What we write is valid against the schema."),
    ),
)

IMDN = Part(
    "RFC 5438: notifications of what became of a message (IMDN)",
    "`bridge/model/imdn`. No network of ours has them; programs that hand messages in can ask for them (docs/http.md).",
    (
        Row("RFC5438:5", "Of delivery, processing and display is told what was asked for."),
        Row("RFC5438:6.1", "The headers are of a namespace of their own."),
        Row("RFC5438:6.2", "What a sender asks to be told of; what is unknown in it is passed over."),
        Row("RFC5438:6.3:id", "A message that asks has an id, and nothing is told of one without."),
        Row("RFC5438:6.3:random", "It has 64 random bits or more."),
        Row("RFC5438:6.4", "Whom the sender named is told beside whom it reached."),
        Row("RFC5438:7.2.1:form", "A notification is a message/cpim object to the sender, marked as a notification."),
        Row("RFC5438:7.2.1:loop", "Nothing is told of a notification, and none asks for one."),
        Row("RFC5438:11.1", "The document, with the states of each kind."),
    ),
)

FORMATS = (CPIM, PIDF, RICH_PRESENCE, WATCHER_INFORMATION, IMDN)
