"""Capability negotiation."""

from hypothesis import given
from hypothesis import strategies as st

from adapters.irc.protocol.caps import BOT_WANTS, PUPPET_WANTS, Caps

INSPIRCD = (
    "account-notify account-tag away-notify batch cap-notify chghost echo-message extended-join extended-monitor "
    "inspircd.org/poison inspircd.org/standard-replies invite-notify labeled-response message-tags multi-prefix "
    "server-time setname userhost-in-names "
)


def settled(caps: Caps) -> bool:
    return caps.settled


def ls(caps: Caps, names: str) -> list[str]:
    return caps.receive(["*", "LS", names])


def test_a_full_negotiation() -> None:
    caps = Caps()
    assert not settled(caps)
    (asked,) = ls(caps, INSPIRCD)
    assert set(asked.split()) == BOT_WANTS - {"draft/chathistory", "standard-replies"}
    assert not settled(caps)
    assert caps.receive(["me", "ACK", asked]) == []
    assert caps.settled
    assert caps.labels
    assert caps.echoes


def test_a_server_with_one() -> None:
    caps = Caps()
    assert ls(caps, "multi-prefix") == ["multi-prefix"]
    caps.receive(["me", "ACK", "multi-prefix"])
    assert caps.settled
    assert not caps.labels


def test_a_server_with_none_of_ours() -> None:
    caps = Caps()
    assert ls(caps, "sasl=PLAIN sts=port=6697") == []
    assert caps.settled
    assert caps.offered["sasl"] == "PLAIN"
    assert caps.offered["sts"] == "port=6697"


def test_lists_of_several_lines() -> None:
    caps = Caps()
    assert caps.receive(["*", "LS", "*", "batch message-tags=x"]) == []
    assert not caps.settled
    assert caps.receive(["*", "LS", "server-time"]) == ["batch message-tags server-time"]


def test_echo_only_with_labels() -> None:
    assert ls(Caps(), "echo-message batch message-tags") == ["batch message-tags"]
    assert ls(Caps(), "echo-message labeled-response") == []


def test_long_requests_are_split() -> None:
    names = [f"example.org/capability-number-{number}" for number in range(60)]
    caps = Caps(names)
    requests = ls(caps, " ".join(names))
    assert len(requests) > 1
    assert all(len(f"CAP REQ :{request}") <= 510 for request in requests)
    assert " ".join(requests).split() == sorted(names)
    for request in requests:
        assert not caps.settled
        caps.receive(["me", "ACK", request])
    assert caps.settled
    assert caps.enabled == set(names)


def test_a_refused_list_is_asked_for_singly() -> None:
    caps = Caps()
    (asked,) = ls(caps, "batch chghost setname")
    assert caps.receive(["me", "NAK", asked]) == ["batch", "chghost", "setname"]
    caps.receive(["me", "ACK", "batch"])
    caps.receive(["me", "NAK", "chghost"])
    assert not settled(caps)
    caps.receive(["me", "ACK", "setname"])
    assert caps.settled
    assert caps.enabled == {"batch", "setname"}


def test_an_echo_without_its_label_is_turned_off() -> None:
    caps = Caps({"echo-message", "labeled-response", "batch", "message-tags"})
    (asked,) = ls(caps, "echo-message labeled-response batch message-tags")
    singles = caps.receive(["me", "NAK", asked])
    last: list[str] = []
    for name in singles:
        last = caps.receive(["me", "NAK" if name == "labeled-response" else "ACK", name])
    assert last == ["-echo-message"]
    caps.receive(["me", "ACK", "-echo-message"])
    assert caps.settled
    assert "echo-message" not in caps.enabled


def test_capabilities_come_and_go() -> None:
    caps = Caps()
    ls(caps, "")
    assert caps.settled
    assert caps.receive(["me", "NEW", "batch message-tags labeled-response echo-message"]) != []
    caps.receive(["me", "ACK", "batch message-tags labeled-response echo-message"])
    assert caps.echoes
    assert caps.receive(["me", "DEL", "labeled-response"]) == ["-echo-message"]
    assert not caps.labels
    assert caps.receive(["me", "NEW", "sasl"]) == []


def test_puppets_ask_for_nothing_about_others() -> None:
    assert not PUPPET_WANTS & {"away-notify", "account-notify", "extended-join", "invite-notify", "userhost-in-names"}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["LS", "ACK", "NAK", "NEW", "DEL", "LIST", "FOO", ""]),
            st.lists(st.sampled_from([*sorted(BOT_WANTS)[:6], "-batch", "*", "x=y", "", "echo-message"]), max_size=6),
        ),
        max_size=12,
    )
)
def test_nothing_a_server_sends_makes_us_ask_without_end(lines: list[tuple[str, list[str]]]) -> None:
    caps = Caps()
    for subcommand, names in lines:
        requests = caps.receive(["me", subcommand, " ".join(names)])
        rounds = 0
        while requests:
            rounds += 1
            assert rounds < 60
            requests = [more for request in requests for more in caps.receive(["me", "NAK", request])]
