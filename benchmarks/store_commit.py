"""How long a write to the store takes from the event loop, alone and under load.

    python benchmarks/store_commit.py [--writes N]

Prints the median and the slowest percentile of N writes one after another, and the rate of N writes at once, on SQLite
with ``synchronous=FULL`` in a folder of its own. With SQLAlchemy's asyncio layer and aiosqlite installed, the same
writes are done through them in the same run.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, text

from bridge.store import Store

WRITE = text("INSERT INTO memory (network, key, value) VALUES ('bench', :key, 'value')")


def insert(connection: Connection, key: str) -> None:
    """One row, in the transaction of whoever calls."""
    connection.execute(WRITE, {"key": key})


async def measure(name: str, write: Callable[[str], Awaitable[None]], writes: int) -> None:
    """Time writes alone, then all at once, and print a line."""
    alone = []
    for number in range(writes):
        began = time.perf_counter()
        await write(f"alone {number}")
        alone.append((time.perf_counter() - began) * 1000)
    began = time.perf_counter()
    await asyncio.gather(*(write(f"together {number}") for number in range(writes)))
    rate = writes / (time.perf_counter() - began)
    slowest = statistics.quantiles(alone, n=100)[98]
    print(f"{name:22} alone {statistics.median(alone):6.2f} ms, p99 {slowest:6.2f} ms; together {rate:8.0f} a second")


async def main(writes: int) -> None:
    """Run both ways in folders of their own."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{Path(folder) / 'own.db'}")
        await store.open()

        async def own(key: str) -> None:
            await store.write(partial(insert, key=key))

        await measure("store thread", own, writes)
        await store.close()
        try:
            from sqlalchemy.ext.asyncio import create_async_engine

            engine = create_async_engine(f"sqlite+aiosqlite:///{Path(folder) / 'own.db'}", pool_size=1, max_overflow=0)
        except ImportError as error:
            print(f"aiosqlite: not measured ({error})")
            return

        async def theirs(key: str) -> None:
            async with engine.begin() as connection:
                await connection.execute(WRITE, {"key": "async " + key})

        async with engine.connect() as connection:
            await connection.execute(text("PRAGMA synchronous=FULL"))
        await measure("asyncio and aiosqlite", theirs, writes)
        await engine.dispose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writes", type=int, default=500, help="how many writes (default 500)")
    asyncio.run(main(parser.parse_args().writes))
