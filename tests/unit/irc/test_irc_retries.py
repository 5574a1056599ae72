"""How soon a bot tries again: soon after a loss, at once where it is sent elsewhere, hardly where it is refused."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from adapters.irc import bot as bots
from adapters.irc.bot import Bot
from adapters.irc.ids import Places
from adapters.irc.link.transport import Carrier, Receiver
from adapters.irc.settings import IrcSettings
from bridge.model.result import Failure


class Wire:
    """A carrier whose server says one thing and hangs up."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._closed = False

    def write(self, data: bytes) -> None:
        """Nobody listens."""

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self._closed:
            self._closed = True
            self._receiver.lost(None)

    def pause_reading(self) -> None:
        """There is nothing to read."""

    def resume_reading(self) -> None:
        """There is nothing to read."""


class Answering:
    """A dialler to servers that answer so, one after another; then nobody is there any more."""

    def __init__(self, *answers: bytes) -> None:
        self.dials: list[float] = []
        self._answers = list(answers)

    async def dial(self, receiver: Receiver) -> None:
        self.dials.append(asyncio.get_running_loop().time())
        carrier: Carrier = Wire(receiver)
        receiver.connected(carrier, secure=False)
        if self._answers:
            receiver.received(self._answers.pop(0))
            carrier.abort()


@asynccontextmanager
async def running(dialler: Answering, told: Callable[[Failure], None]) -> AsyncIterator[None]:
    settings = IrcSettings(server="irc://localhost", nick="rialto")
    bot = Bot(
        "libera",
        settings,
        dialler,
        Places([]),
        told=lambda event: None,
        online=lambda: None,
        offline=told,
        inside=lambda place, failure: None,
    )
    task = asyncio.create_task(bot.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


REFUSALS = [
    b":s 464 * :Password mismatch\r\n",
    b":s 465 * :You are banned\r\n",
    b":s 432 * rialto :Erroneous nickname\r\n",
    b":s FAIL * ACCOUNT_REQUIRED :Log in\r\n",
    b"ERROR :Closing link: [K-Lined: spam]\r\n",
]


@pytest.mark.parametrize("answer", REFUSALS)
async def test_a_refusal_is_not_run_against(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    over = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        over.set()
        await asyncio.Event().wait()

    monkeypatch.setattr("asyncio.sleep", sleep)
    failures: list[Failure] = []
    async with running(Answering(answer), failures.append):
        async with asyncio.timeout(5):
            await over.wait()
    assert len(failures) == 1
    assert "): " in failures[0].text, "what to do stands behind the numeric"
    assert waits[0] >= bots.REFUSED_FOR


async def test_a_loss_is_soon_made_good() -> None:
    dialler = Answering(b"ERROR :Server restarting\r\n")
    failures: list[Failure] = []
    async with running(dialler, failures.append):
        async with asyncio.timeout(5):
            while len(dialler.dials) < 2:  # noqa: ASYNC110 - the dialler has no event to wait for
                await asyncio.sleep(0.01)
    assert failures[0].text == "Server restarting"


async def test_sent_to_tls_it_goes_at_once() -> None:
    dialler = Answering(b":s CAP * LS :sts=port=6697\r\n")
    failures: list[Failure] = []
    async with running(dialler, failures.append):
        async with asyncio.timeout(5):
            while len(dialler.dials) < 2:  # noqa: ASYNC110 - the dialler has no event to wait for
                await asyncio.sleep(0.01)
    assert dialler.dials[1] - dialler.dials[0] < 0.5
    assert "TLS on port 6697 (STS)" in failures[0].text
