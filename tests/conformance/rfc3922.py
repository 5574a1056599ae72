"""RFC 3922's mapping between XMPP and the common model, for what is not signed."""

from tests.conformance.rows import Met, Part, Row

RFC3922 = Part(
    "RFC 3922: XMPP and the common model",
    "Where RFC 7247, 7572 and 8048 say it better, they are followed; the texts name them. The section numbers are "
    "RFC 3922's.",
    (
        Row("RFC3922:3:from-xmpp", "A JID becomes an im: or pres: URI: no resource, percent-encoded."),
        Row("RFC3922:3:to-xmpp", "And back, from any percent-encoding."),
        Row("RFC3922:4:from", "From and To are the bare addresses, as im: URIs."),
        Row("RFC3922:4:subject", "Subjects keep their languages."),
        Row("RFC3922:4:body", "The body is text/plain in UTF-8."),
        Row("RFC3922:4:recipients", "Formal names, cc and DateTime are not made part of the stanza."),
        Row("RFC3922:4:types", "Only plain text in US-ASCII or UTF-8 becomes a body."),
        Row("RFC3922:4:require", "What a message requires and nobody here understands is told to its sender."),
        Row("RFC3922:5:resource", "A resource is the tuple's id, and back."),
        Row("RFC3922:5:basic", "Available is open, unavailable is closed, and back."),
        Row("RFC3922:5:status", "Status texts are notes, each in its language, and back."),
        Row("RFC3922:5:priority", "Priority is the contact's priority: 0 to 0, 127 to 1, negative never, and back."),
        Row("RFC3922:5:show", "show crosses (RFC 8048 section 4: as XMPP's own element in the status)."),
        Row("RFC3922:5:many", "Many resources are one document with many tuples."),
        Row("RFC3922:6:approved", "A subscription that is granted is answered, and presence follows at once."),
        Row("RFC3922:6:denied", "A subscription that is refused is answered, and no presence follows."),
        Row("RFC3922:6:nobody", "A subscription to nobody is an item-not-found."),
        Row(
            "RFC3922:6:asked",
            "A subscription from the other side is a subscription stanza.",
            Met.PARTLY,
            "a puppet asks back when somebody subscribes to it; other networks have no such request",
        ),
        Row("RFC3922:6:cancelled", "Cancelling ends the notifications."),
    ),
)
