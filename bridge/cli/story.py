"""`rialto status MESSAGE-ID`: one message from end to end, without what it says."""

import json
import time
from collections.abc import Callable
from typing import Any

import typer
from pydantic import BaseModel, TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table

from bridge.cli.common import Code, UnreachableError, age, cell, console, fail, since


class PartStory(BaseModel):
    """One wire unit; `native_id` is what the network calls it, if it said so."""

    part: int
    state: str
    native_id: str | None = None


class DeliveryStory(BaseModel):
    """The message on its way to one place. `updated` is when its state last changed (seconds since the epoch); `told`,
    whether its sender was told of the failure."""

    network: str
    place: str
    private: bool = False
    state: str
    reason: str | None = None
    text: str | None = None
    told: bool = False
    updated: float
    parts: list[PartStory] = []

    @property
    def well(self) -> bool:
        """Whether it has arrived, or may have."""
        return self.state in ("confirmed", "uncertain")

    @property
    def why(self) -> str:
        """What there is to say of its state."""
        words = " ".join(filter(None, (self.text, f"({self.reason})" if self.reason else "")))
        if self.state in ("failed", "expired"):
            return f"{words}; the sender {'was told' if self.told else 'is still to be told'}"
        if self.state == "uncertain":
            return words or "sent, and the network does not say whether it arrived"
        return words


class Story(BaseModel):
    """Where a message came from (times in seconds since the epoch), and where it went."""

    id: str
    network: str
    native_id: str
    place: str
    sender: str
    sender_name: str
    said: float
    received: float
    body_kept: bool
    deliveries: list[DeliveryStory]


_STORIES = TypeAdapter(list[Story])


def tell(wanted: str, ask: Callable[[], Any], *, as_json: bool) -> None:
    """Ask, print, and end with the exit code that `rialto status` promises."""
    try:
        answer = ask()
        found = _STORIES.validate_python(answer)
    except UnreachableError as error:
        fail(str(error))
    except ValidationError:
        fail("what answers tells nothing of messages that this version knows")
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
    elif not found:
        fail(
            f"no message with the id {wanted} is known: it was never taken in, or so long ago that it is forgotten "
            "(keep_map)"
        )
    else:
        for story in found:
            show(story, console(), time.time)
    if not found or not all(delivery.well for story in found for delivery in story.deliveries):
        raise typer.Exit(Code.FAILED)


def show(story: Story, out: Console, clock: Callable[[], float]) -> None:
    """Print it for a person."""
    now = clock()
    out.print(cell(f"{story.id}: {story.sender_name} ({story.sender}) in {story.network}:{story.place}"))
    late = story.received - story.said
    heard = f"; heard {age(late)} after it was said" if late >= 1 else ""
    out.print(cell(f"accepted {since(story.received, now)}, {story.native_id} there{heard}"))
    if not story.deliveries:
        out.print(cell("it went nowhere: nobody was to hear it"))
        return
    table = Table("to", "state", "after", "known there as", "why")
    for delivery in story.deliveries:
        style = "green" if delivery.state == "confirmed" else "" if delivery.well else "bold red"
        ids = ", ".join(
            piece.native_id or ("no id" if piece.state == "confirmed" else piece.state) for piece in delivery.parts
        )
        table.add_row(
            cell(f"{delivery.network}:{delivery.place}"),
            cell(delivery.state, style),
            cell(f"{max(0.0, delivery.updated - story.received):.3g} s"),
            cell(ids),
            cell(delivery.why),
        )
    out.print(table)
