"""`rialto run`."""

import asyncio
import signal
from importlib.metadata import version
from typing import Annotated

import structlog
import typer

from bridge import log
from bridge.cli.common import CONFIG_FILE, DISTRIBUTION, Code, ConfigFile, load_or_exit
from bridge.config import Config
from bridge.contract import StartError
from bridge.keeper.client import KeeperClient, KeeperError
from bridge.names import Kind

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(
    config: ConfigFile = CONFIG_FILE,
    keeper: Annotated[
        bool | None,
        typer.Option("--keeper/--no-keeper", help="Have a keeper hold connections, whatever the configuration says."),
    ] = None,
) -> None:
    """Run the bridge until Ctrl-C or SIGTERM, in the foreground.

    Entries go to standard error. What is accepted but not delivered when it stops, it delivers after the next start.
    Connections are closed then. To upgrade with all connections open, kill it (SIGKILL) and start it within a minute.
    """
    # Late, here and below: these take long to import, and the other commands do not need them.
    from uvloop import new_event_loop

    from bridge.store import StoreError

    loaded = load_or_exit(config)
    log.set_up(loaded.log)
    logger = structlog.get_logger(__name__)
    for warning in loaded.warnings:
        logger.warning("configuration", about=warning)
    logger.info("starting", version=version(DISTRIBUTION), networks=len(loaded.networks), rooms=len(loaded.rooms))
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(_serve(loaded, loaded.keeper if keeper is None else keeper))
    except (StartError, StoreError, OSError) as error:
        logger.error("cannot run", why=str(error))
        raise typer.Exit(Code.FAILED) from None
    except KeyboardInterrupt:
        logger.warning("stopped at once", why="a second signal")
        raise typer.Exit(Code.FAILED) from None
    logger.info("stopped")


async def _serve(config: Config, wants_keeper: bool) -> None:
    from bridge.counts import Counts
    from bridge.service import Service
    from bridge.store import Store

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked() -> None:
        stop.set()
        # Once more, and the process ends as if nobody had caught the signal.
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.default_int_handler)

    for number in _SIGNALS:
        loop.add_signal_handler(number, asked)
    holds = any(each.kind in (Kind.IRC, Kind.XMPP) for each in config.networks.values())
    counts = Counts()
    store = Store(config.store, counts.committed)
    # First: where another one runs, its keeper is busy with it, and would be waited for.
    await store.open()
    try:
        keeper = await _keeper(config) if wants_keeper and holds else None
        try:
            await Service(config, keeper, store, counts).run(stop)
        except BaseException:
            # Whoever mends what is wrong and starts again finds the connections as they are.
            if keeper is not None:
                keeper.drop()
            raise
        if keeper is not None:
            await keeper.end()
    finally:
        await store.close()


async def _keeper(config: Config) -> KeeperClient | None:
    """The keeper; None, with words, where there can be none: connections are our own then."""
    from bridge.keeper.launch import attached, folder_of

    try:
        keeper = await attached(folder_of(config.store))
    except KeeperError as error:
        logger = structlog.get_logger(__name__)
        logger.warning("no keeper", why=str(error), instead="connections end when this process does")
        return None
    for kept in keeper.unclaimed:
        if kept.name.partition("/")[0] not in config.networks:
            keeper.refuse(kept)
    return keeper
