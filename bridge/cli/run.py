"""`rialto run`."""

import asyncio
import signal
from importlib.metadata import version

import structlog
import typer

from bridge import log
from bridge.cli.common import CONFIG_FILE, DISTRIBUTION, Code, ConfigFile, load_or_exit
from bridge.config import Config
from bridge.contract import StartError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(config: ConfigFile = CONFIG_FILE) -> None:
    """Run the bridge until Ctrl-C or SIGTERM, in the foreground.

    Entries go to standard error. What is accepted but not delivered when it stops, it delivers after the next start.
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
            runner.run(_serve(loaded))
    except (StartError, StoreError, OSError) as error:
        logger.error("cannot run", why=str(error))
        raise typer.Exit(Code.FAILED) from None
    except KeyboardInterrupt:
        logger.warning("stopped at once", why="a second signal")
        raise typer.Exit(Code.FAILED) from None
    logger.info("stopped")


async def _serve(config: Config) -> None:
    from bridge.service import Service

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
    await Service(config).run(stop)
