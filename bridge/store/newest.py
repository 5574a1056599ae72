"""The highest value of each place, without reading all rows: history is long, places are few."""

from typing import Any

from sqlalchemy import Column, Connection, Table, select


def newest(connection: Connection, table: Table, value: Column[Any]) -> dict[tuple[str, str], Any]:
    """The highest `value` by network and place. The table must have an index over network, place and that column.

    Goes from one place to the next through the index, a look or two each, where a GROUP BY would read every row.
    """
    network, place = table.c.network, table.c.place
    last = select(network, place, value).order_by(network.desc(), place.desc(), value.desc()).limit(1)
    found: dict[tuple[str, str], Any] = {}
    row = connection.execute(last).first()
    while row is not None:
        found[row[0], row[1]] = row[2]
        # Two looks, since SQLite does not search an index by (network, place) < (?, ?) to its full depth.
        here = connection.execute(last.where(network == row[0], place < row[1])).first()
        row = here or connection.execute(last.where(network < row[0])).first()
    return found
