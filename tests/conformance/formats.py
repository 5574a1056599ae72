"""The rules of the formats: message/cpim, PIDF, watcher information, and notifications of what became of a message."""

from tests.conformance.rows import Part, Row

CPIM = Part(
    "RFC 3862: message/cpim",
    "The format of messages in the middle: `bridge/model/cpim`. What is not strictly right: docs/formats.md.",
    (
        Row("RFC3862:2", "MIME headers, message headers, and content with its own MIME headers."),
        Row("RFC3862:2.1", "The outer MIME type is message/cpim."),
        Row("RFC3862:2.2", "A header is one line, never folded, ended by CRLF, in UTF-8, without space at its ends."),
        Row("RFC3862:2.3", "Controls and backslashes are escaped, and nothing else is."),
        Row("RFC3862:2.3.1", "Unknown escapes are read as what stands after the backslash."),
        Row("RFC3862:2.4", "The content is a MIME object with a Content-Type, and any octets."),
        Row("RFC3862:3.1", "Header names are compared as they are, case and all; unknown ones are ignored."),
        Row("RFC3862:3.2", "The octets of headers and content, and their order, are kept as they came."),
        Row("RFC3862:3.3", "Header values carry the language they are in."),
        Row("RFC3862:3.4", "Headers of other namespaces, by prefixes that are declared before."),
        Row("RFC3862:3.5", "What a message requires and is not known here makes it not to be processed."),
        Row("RFC3862:3.6", "The syntax, sign by sign."),
        Row("RFC3862:4.1", "From: a name, and a URI."),
        Row("RFC3862:4.2", "To: one or more."),
        Row("RFC3862:4.3", "cc: any number."),
        Row("RFC3862:4.4", "DateTime: as RFC 3339 has it."),
        Row("RFC3862:4.5", "Subject: any number, each in its language."),
        Row("RFC3862:4.6", "NS: declares a namespace."),
        Row("RFC3862:4.7", "Require: names what has to be understood."),
        Row("RFC3862:5", "The examples of the RFC are understood."),
    ),
)

PIDF = Part(
    "RFC 3863: presence information (PIDF)",
    "The format of presence in the middle: `bridge/model/pidf`, with the data model of RFC 4479 and the activities of "
    "RFC 4480.",
    (
        Row("RFC3863:4.1", "Well-formed XML in UTF-8, with a declaration; neither DTD nor entities."),
        Row("RFC3863:4.1.1", "The root is presence; its entity is the presentity's URI."),
        Row("RFC3863:4.1.2", "A tuple has an id of its own, which stays."),
        Row("RFC3863:4.1.3", "A status, with what it holds."),
        Row("RFC3863:4.1.4", "basic is open or closed."),
        Row("RFC3863:4.1.5", "A contact has a URI, and a priority from 0 to 1 in thousandths."),
        Row("RFC3863:4.1.6", "Notes, each in its language."),
        Row("RFC3863:4.1.7", "The time at which the status changed."),
        Row("RFC3863:4.2", "Extensions by namespaces: unknown ones are ignored, and handed on."),
        Row("RFC3863:4.2.3", "What must be understood and is not makes its extension ignored."),
        Row("RFC3863:4.4", "What we write is valid against the schema."),
        Row("RFC4479:3", "Person, device and service, each with their own."),
        Row("RFC4480:3.2", "Activities: those we know in our own words, the others by the nearest."),
        Row("RFC4480:3.12", "user-input says since when a person is idle."),
    ),
)

WATCHER_INFORMATION = Part(
    "RFC 3858: watcher information",
    "Who watches, as a document: `bridge/model/watcherinfo`.",
    (
        Row("RFC3858:4", "The document: version, full or partial state, lists of watchers."),
        Row("RFC3858:4.7.1", "The states of a subscription, and what brought it there."),
    ),
)

IMDN = Part(
    "RFC 5438: notifications of what became of a message (IMDN)",
    "`bridge/model/imdn`.",
    (
        Row("RFC5438:6.3", "Ids of messages have 64 random bits or more."),
        Row("RFC5438:7.1", "What a sender asks to be told of."),
        Row("RFC5438:7.2", "No notification is made of a notification."),
        Row("RFC5438:9", "Delivery, processing and display, each with its states."),
    ),
)

FORMATS = (CPIM, PIDF, WATCHER_INFORMATION, IMDN)
