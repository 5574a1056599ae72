"""The abstract operations: the message service of RFC 3860 and the presence service of RFC 3859."""

from tests.conformance.rows import Met, Part, Row

MESSAGE_SERVICE = Part(
    "RFC 3860: the message service (CPIM)",
    "The operation *message* and its response, as the core and the adapters have it between them.",
    (
        Row(
            "RFC3860:3.1:message", "A message has a source and a destination, which are inboxes, a hop count and an id."
        ),
        Row("RFC3860:3.4.1:1", "A source or destination that is no valid inbox: failure."),
        Row("RFC3860:3.4.1:2", "A destination that cannot be resolved: failure."),
        Row("RFC3860:3.4.1:3", "Access control refuses: failure."),
        Row("RFC3860:3.4.1:4", "Delivered: success; not to be delivered: failure; nobody will know: indeterminant."),
        Row("RFC3860:3.1:response", "Every message has exactly one response, tied to it by its id."),
        Row("RFC3860:3.4.2", "Loops end: each gateway takes one hop off, and what arrives without any is a failure."),
        Row("RFC3860:A", "im: URIs: any case of the scheme, percent-encoded UTF-8, headers."),
    ),
)

PRESENCE_SERVICE = Part(
    "RFC 3859: the presence service (CPP)",
    "The operations *subscribe*, its response, and *notify*.",
    (
        Row("RFC3859:3.4.1:1", "A watcher or target that is no valid presentity: failure."),
        Row("RFC3859:3.4.1:2", "Access control refuses: failure."),
        Row("RFC3859:3.4.1:3", "A second subscription of the same pair while one runs: failure."),
        Row("RFC3859:3.4.1:4", "Otherwise success, with the duration granted, one notify at once and one per change."),
        Row("RFC3859:3.4.3", "No duration fetches once, or cancels; a duration ends by itself."),
        Row(
            "RFC3859:3.1:response",
            "The response is success or failure, and carries the request's id, of 40 bytes and more.",
        ),
        Row("RFC3859:3.4.2", "A notify names watcher and target, and nothing answers it."),
        Row(
            "RFC3859:3.1:persistent",
            "Presence and running subscriptions outlive a restart.",
            Met.PARTLY,
            "subscriptions do; presence is asked for anew, because what was true before need not be",
        ),
        Row("RFC3859:A", "pres: URIs, as im: URIs."),
    ),
)
