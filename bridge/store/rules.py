"""Queries of the rules that people set for themselves."""

from collections.abc import Iterable

import structlog
from sqlalchemy import Connection, delete, func, select

from bridge.model.address import Address, AddressError
from bridge.model.rule import Decision, Rule, RuleKind
from bridge.store.tables import rule
from bridge.store.upsert import upsert

log = structlog.get_logger(__name__)


def known(connection: Connection) -> list[Rule]:
    """All of them. What cannot be read back is left out, and logged."""
    found = []
    for row in connection.execute(select(rule).order_by(rule.c.owner, rule.c.kind, rule.c.who)):
        try:
            found.append(Rule(Address.parse(row.owner), RuleKind(row.kind), row.who, Decision(row.decision)))
        except (AddressError, ValueError):
            log.error("a rule cannot be read back from the store", owner=row.owner, kind=row.kind, who=row.who)
    return found


def put(connection: Connection, wanted: Rule, most: int) -> bool:
    """Keep a rule in place of the one about the same people. False, and nothing kept, if its owner would then have
    more than `most`."""
    one = (rule.c.owner == str(wanted.owner), rule.c.kind == wanted.kind, rule.c.who == wanted.who)
    if connection.execute(select(rule.c.owner).where(*one)).first() is None:
        count = select(func.count()).select_from(rule).where(rule.c.owner == str(wanted.owner))
        if connection.execute(count).scalar_one() >= most:
            return False
    connection.execute(
        upsert(connection, rule)
        .values(owner=str(wanted.owner), kind=wanted.kind, who=wanted.who, decision=int(wanted.decision))
        .on_conflict_do_update(index_elements=list(rule.primary_key), set_={"decision": int(wanted.decision)})
    )
    return True


def remove(connection: Connection, gone: Iterable[Rule]) -> None:
    """Forget these rules, as far as they are there."""
    for each in gone:
        connection.execute(
            delete(rule).where(rule.c.owner == str(each.owner), rule.c.kind == each.kind, rule.c.who == each.who)
        )
