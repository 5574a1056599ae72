"""The abstract operations: the message service of RFC 3860 and the presence service of RFC 3859."""

from tests.conformance.rows import Met, Part, Row

_FOUND = "each network finds its own servers; to which network something goes is said by its address"
_RELAY = "objects are kept octet by octet; between networks without a common format a gateway has to translate"

MESSAGE_SERVICE = Part(
    "RFC 3860: the message service (CPIM)",
    "The operation *message* and its response, as the core and the adapters have it between them.",
    (
        Row("RFC3860:3.1:message", "A message has a source, a destination, an id, and a count of hops."),
        Row("RFC3860:3.1:id", "Ids of 40 bytes and more are taken."),
        Row("RFC3860:3.1:response", "The response bears the id of its message; the sender of a failure is told why."),
        Row("RFC3860:3.2", "An inbox is named by an im: URI."),
        Row("RFC3860:3.2.1", "The next hop is found by the destination's domain.", Met.NATIVE, _FOUND),
        Row("RFC3860:3.3:format", "What goes through the gateway can be had as message/cpim."),
        Row("RFC3860:3.3:relay", "Content is handed on as it is.", Met.PARTLY, _RELAY),
        Row("RFC3860:3.4.1:order", "Who cannot be comes first, then what rules forbid."),
        Row("RFC3860:3.4.1:1", "A source or destination that is no valid inbox: failure."),
        Row("RFC3860:3.4.1:2", "A destination that cannot be resolved: failure."),
        Row("RFC3860:3.4.1:3", "Access control refuses: failure."),
        Row("RFC3860:3.4.1:4:success", "Delivered: success."),
        Row("RFC3860:3.4.1:4:failure", "Not to be delivered: failure."),
        Row("RFC3860:3.4.1:4:indeterminant", "Handed on, and nobody will ever tell: indeterminant."),
        Row("RFC3860:3.4.1:4:later", "Handed on, and the network will tell: the response waits for that."),
        Row("RFC3860:3.4.2:carried", "The count of hops travels with the message."),
        Row("RFC3860:3.4.2:one", "Each gateway takes one hop off."),
        Row("RFC3860:3.4.2:none", "With no hop left a message goes nowhere, and that is a failure."),
        Row("RFC3860:A.2", "im: URIs: any case of the scheme, headers after a question mark."),
        Row("RFC3860:A.3", "What URIs cannot hold is percent-encoded UTF-8."),
    ),
)

PRESENCE_SERVICE = Part(
    "RFC 3859: the presence service (CPP)",
    "The operations *subscribe*, its *response*, and *notify*; what the RFC leaves open: docs/subscriptions.md.",
    (
        Row("RFC3859:3.1:ids", "Ids of subscriptions and operations of 40 bytes and more are taken."),
        Row("RFC3859:3.1:response", "The response is success or failure, and bears the id of its subscribe."),
        Row("RFC3859:3.1:duration", "Less can be granted than was wished, and the response says what."),
        Row("RFC3859:3.1:notify", "A notify names watcher and target as the subscribe did, and has an id of its own."),
        Row("RFC3859:3.2", "Presentities and watchers are named by pres: URIs."),
        Row("RFC3859:3.2.1", "The next hop is found by the target's domain.", Met.NATIVE, _FOUND),
        Row("RFC3859:3.3:format", "Whatever a network tells of somebody can be had as a presence document."),
        Row(
            "RFC3859:3.3:relay", "A document is handed on as it is.", Met.PARTLY, "what is foreign in it is; " + _RELAY
        ),
        Row("RFC3859:3.4:subscriptions", "Running subscriptions are in persistent storage."),
        Row(
            "RFC3859:3.4:presence",
            "Presence is in persistent storage.",
            Met.NOT,
            "after a restart the networks are asked anew, because what was true before need not be",
        ),
        Row("RFC3859:3.4:ids", "Ids of subscriptions are unique over time."),
        Row("RFC3859:3.4.1:1", "A watcher or target that is no valid presentity: failure."),
        Row("RFC3859:3.4.1:2", "Access control refuses: failure."),
        Row("RFC3859:3.4.1:3", "A second subscription of the same pair while one runs: failure."),
        Row(
            "RFC3859:3.4.1:3:refresh",
            "The same subscription once more. The RFC has no refresh; here the id of the running one renews it.",
        ),
        Row("RFC3859:3.4.1:4:success", "Otherwise success, at once."),
        Row("RFC3859:3.4.1:4:first", "The first notify follows the response at once, over a crash between them, too."),
        Row("RFC3859:3.4.1:4:changes", "Then one notify for each change, and none for anything else."),
        Row("RFC3859:3.4.1:4:access", "What rules allow is asked anew at each change."),
        Row("RFC3859:3.4.1:4:end", "When the duration is over nothing is notified any more."),
        Row("RFC3859:3.4.2:changes", "Every subscriber is notified of a change."),
        Row(
            "RFC3859:3.4.2:answer",
            "A notify is not answered.",
            Met.WRITTEN,
            "the operation gives nothing back: `bridge.contract`",
        ),
        Row("RFC3859:3.4.3:cancel", "No duration with a known id cancels, with one last notify."),
        Row("RFC3859:3.4.3:fetch", "No duration with a new id fetches: one notify, and no subscription."),
        Row("RFC3859:A.2", "pres: URIs, of the form of im: URIs."),
        Row("RFC3859:A.3", "What URIs cannot hold is percent-encoded UTF-8."),
    ),
)
