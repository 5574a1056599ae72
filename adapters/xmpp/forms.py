"""Commands and their forms as XML (XEP-0050, XEP-0004). Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from adapters.xmpp.sanitise import attribute, escape

COMMANDS = "http://jabber.org/protocol/commands"
DATA = "jabber:x:data"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form: a line of text, or with `options`, which are labels by value, a choice of one."""

    var: str
    label: str
    options: Mapping[str, str] | None = None
    required: bool = True


def filled(command: Element) -> dict[str, str]:
    """What was filled into the form that a command carries: the first value of each field, without white space around.

    Nothing where there is none, or it is not a form that was submitted.
    """
    form = command.find(f"{{{DATA}}}x")
    if form is None or form.get("type") != "submit":
        return {}
    found = {}
    for field in form.iter(f"{{{DATA}}}field"):
        if var := field.get("var"):
            found[var] = field.findtext(f"{{{DATA}}}value", "").strip()
    return found


def form(title: str, instructions: Iterable[str], fields: Iterable[Field]) -> str:
    """A form to fill in."""
    inner = f"<title>{escape(title)}</title>"
    inner += "".join(f"<instructions>{escape(line)}</instructions>" for line in instructions)
    return f'<x xmlns="{DATA}" type="form">{inner}{"".join(map(_field, fields))}</x>'


def _field(field: Field) -> str:
    inner = "<required/>" if field.required else ""
    for value, label in (field.options or {}).items():
        inner += f'<option label="{attribute(label)}"><value>{escape(value)}</value></option>'
    kind = "text-single" if field.options is None else "list-single"
    return f'<field var="{attribute(field.var)}" type="{kind}" label="{attribute(field.label)}">{inner}</field>'


def executing(node: str, session: str, form: str) -> str:
    """A command that waits for its form (XEP-0050 section 3.4): the one stage there is, so that it completes."""
    actions = '<actions execute="complete"><complete/></actions>'
    return _command(node, session, "executing", actions + form)


def completed(node: str, session: str, text: str) -> str:
    """A command that was done, and what there is to say of it."""
    return _command(node, session, "completed", f'<note type="info">{escape(text)}</note>')


def canceled(node: str, session: str) -> str:
    """A command that is not to be done after all."""
    return _command(node, session, "canceled", "")


def _command(node: str, session: str, status: str, payload: str) -> str:
    head = f'xmlns="{COMMANDS}" node="{attribute(node)}" sessionid="{attribute(session)}" status="{status}"'
    return f"<command {head}>{payload}</command>"


def items(jid: str, nodes: Mapping[str, str]) -> str:
    """The list of commands (XEP-0050 section 2.2): their names by node."""
    inner = "".join(
        f'<item jid="{attribute(jid)}" node="{attribute(node)}" name="{attribute(name)}"/>'
        for node, name in nodes.items()
    )
    return f'<query xmlns="http://jabber.org/protocol/disco#items" node="{COMMANDS}">{inner}</query>'


def info(node: str, name: str) -> str:
    """What a command is, or with `COMMANDS` their list (XEP-0050 sections 2.2 and 2.3)."""
    kind = "command-list" if node == COMMANDS else "command-node"
    features = "" if node == COMMANDS else f'<feature var="{COMMANDS}"/><feature var="{DATA}"/>'
    identity = f'<identity category="automation" type="{kind}" name="{attribute(name)}"/>'
    return f'<query xmlns="http://jabber.org/protocol/disco#info" node="{attribute(node)}">{identity}{features}</query>'
