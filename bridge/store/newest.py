"""The highest value of some places, without reading all rows: history is long."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Column, Connection, Table, select

from bridge.model.address import Place


def newest(connection: Connection, table: Table, value: Column[Any], places: Iterable[Place]) -> dict[Place, Any]:
    """The highest `value` of each of these places that has any. The table must have an index over network, place and
    that column: one look each, where a GROUP BY would read every row."""
    found: dict[Place, Any] = {}
    for place in places:
        here = table.c.network == place.network, table.c.place == place.native
        row = connection.execute(select(value).where(*here).order_by(value.desc()).limit(1)).first()
        if row is not None:
            found[place] = row[0]
    return found
