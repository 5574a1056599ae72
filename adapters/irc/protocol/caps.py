"""Capability negotiation, version 302 (IRCv3 capability-negotiation)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

BOT_WANTS: Final = frozenset(
    {
        "account-notify",
        "account-tag",
        "away-notify",
        "batch",
        "cap-notify",
        "chghost",
        "draft/chathistory",
        "echo-message",
        "extended-join",
        "extended-monitor",
        "invite-notify",
        "labeled-response",
        "message-tags",
        "multi-prefix",
        "server-time",
        "setname",
        "standard-replies",
        "userhost-in-names",
    }
)
"""What the bot, who reads the channels, asks for where it is offered."""

PUPPET_WANTS: Final = frozenset(
    {
        "account-tag",
        "batch",
        "cap-notify",
        "chghost",
        "draft/chathistory",
        "draft/no-implicit-names",
        "echo-message",
        "labeled-response",
        "message-tags",
        "multi-prefix",
        "no-implicit-names",
        "server-time",
        "standard-replies",
    }
)
"""What a puppet asks for: nothing that tells of other people, which the bot hears already; but the account of who
writes to it alone."""

_NEEDS: Final = {
    "draft/chathistory": ("batch", "message-tags", "server-time"),
    "echo-message": ("labeled-response",),
    "labeled-response": ("batch", "message-tags"),
}
"""What a capability is useless without. An echo without its label cannot be told from somebody else's line."""

_LINE: Final = 510
_OPENING: Final = len("CAP REQ :")


class Caps:
    """What the server offers, what is asked for, and what is on. Fed the lines, it gives the next requests."""

    def __init__(self, wants: Iterable[str] = BOT_WANTS) -> None:
        self._wants = frozenset(wants)
        self._asked: list[tuple[str, ...]] = []
        self._refused: set[str] = set()
        self._listing = True
        self.offered: dict[str, str] = {}
        self.enabled: set[str] = set()

    @property
    def listed(self) -> bool:
        """Whether the server has told all it offers."""
        return not self._listing

    @property
    def settled(self) -> bool:
        """Whether the list is complete and every request answered: time for ``CAP END``."""
        return not self._listing and not self._asked

    @property
    def labels(self) -> bool:
        """Whether answers carry the label of the line they answer."""
        return {"labeled-response", "batch", "message-tags"} <= self.enabled

    @property
    def echoes(self) -> bool:
        """Whether what we say comes back to us, by its label."""
        return self.labels and "echo-message" in self.enabled

    @property
    def bouncer(self) -> bool:
        """Whether it is ZNC that we speak to, which stays on the network and repeats what was said (znc.in)."""
        return any(name.startswith("znc.in/") for name in self.offered)

    @property
    def history(self) -> bool:
        """Whether the server can be asked what was said before (IRCv3 draft/chathistory)."""
        return {"draft/chathistory", "batch", "message-tags", "server-time"} <= self.enabled

    def receive(self, params: Sequence[str]) -> list[str]:
        """Take a CAP line's parameters (client, subcommand, ...). Returns the lists to request with ``CAP REQ``."""
        if len(params) < 2:
            return []
        subcommand = params[1].upper()
        # CAP 3.1 servers put a modifier before a name: "~" wants an acknowledgement, "=" cannot be turned off.
        names = [name.lstrip("~=") for name in params[-1].split()] if len(params) > 2 else []
        match subcommand:
            case "LS":
                self._offer(names)
                if len(params) > 3 and params[2] == "*":
                    return []
                self._listing = False
                return self._request()
            case "NEW":
                self._offer(names)
                return [] if self._listing else self._request()
            case "DEL":
                for name in names:
                    self.offered.pop(name, None)
                    self.enabled.discard(name)
                return self._request()
            case "ACK":
                self._answered(names)
                for name in names:
                    if name.startswith("-"):
                        self.enabled.discard(name[1:])
                    else:
                        self.enabled.add(name)
                return self._request()
            case "NAK":
                singly = self._answered(names)
                if len(singly) > 1:
                    self._asked += [(name,) for name in singly]
                    return list(singly)
                self._refused.update(singly)
                return self._request()
        return []

    def resume(self, offered: Mapping[str, str], enabled: Iterable[str]) -> None:
        """Things stand so on this connection, as another process negotiated it."""
        self._listing = False
        self.offered = dict(offered)
        self.enabled = set(enabled)

    def unsupported(self) -> None:
        """The server knows no CAP, or has let us in without waiting for its end."""
        self._listing = False
        self._asked.clear()

    def _offer(self, items: Iterable[str]) -> None:
        for item in items:
            name, _, value = item.partition("=")
            self.offered[name] = value
            self._refused.discard(name)

    def _useful(self, name: str) -> bool:
        return (
            name in self._wants
            and name in self.offered
            and name not in self._refused
            and all(self._useful(need) for need in _NEEDS.get(name, ()))
        )

    def _answered(self, names: Sequence[str]) -> tuple[str, ...]:
        """The request this answers. Servers answer in order; one that cuts the list in its answer still matches."""
        wanted = set(names)
        for position, asked in enumerate(self._asked):
            if wanted <= set(asked):
                return self._asked.pop(position)
        return self._asked.pop(0) if self._asked else tuple(names)

    def _request(self) -> list[str]:
        pending = {name for asked in self._asked for name in asked}
        changes = [name for name in sorted(self.offered) if self._useful(name) and name not in self.enabled | pending]
        if not pending:
            changes += [
                f"-{name}"
                for name in sorted(self.enabled)
                if name in _NEEDS and not self._useful(name) and f"-{name}" not in self._refused
            ]
        lists: list[list[str]] = []
        room = 0
        for name in changes:
            if not lists or len(name) + 1 > room:
                lists.append([])
                room = _LINE - _OPENING
            lists[-1].append(name)
            room -= len(name) + 1
        self._asked += [tuple(names) for names in lists]
        return [" ".join(names) for names in lists]
