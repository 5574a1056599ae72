"""The parts that deal with rooms of two, put together as the adapter does, over a client that is never opened."""

from dataclasses import dataclass

from adapters.matrix.client import Client
from adapters.matrix.conversations import Conversation, Conversations
from adapters.matrix.direct import DirectRooms
from adapters.matrix.entering import Entering
from adapters.matrix.hearing import Heard
from adapters.matrix.intake import Intake
from adapters.matrix.meeting import Meeting
from adapters.matrix.missed import Missed
from adapters.matrix.opening import Opening
from adapters.matrix.pace import Pace
from adapters.matrix.private import Listener
from adapters.matrix.puppets import Puppets
from adapters.matrix.rooms import Rooms
from adapters.matrix.sending import Sender
from adapters.matrix.tasks import Tasks
from tests.networks.matrix.support import RecordingCore
from tests.unit.matrix.scenes import LOBBY, NOW, OURS


@dataclass
class Parlour:
    """`opened` is what the adapter would have been told of."""

    core: RecordingCore
    tasks: Tasks
    rooms: Rooms
    puppets: Puppets
    conversations: Conversations
    opening: Opening
    direct: DirectRooms
    meeting: Meeting
    heard: Heard
    missed: Missed
    intake: Intake
    opened: list[Conversation]


def parlour(core: RecordingCore | None = None, client: Client | None = None) -> Parlour:
    """A new one. What `core` remembers is taken up."""
    core = core or RecordingCore(LOBBY.native)
    client = client or Client("http://hs", "token")
    tasks, rooms, opened = Tasks(), Rooms([LOBBY]), list[Conversation]()
    puppets, entering = Puppets(core, client, OURS, rooms), Entering(core, client, OURS, rooms)
    sender = Sender(client, OURS, puppets, tasks, core.identity, lambda: NOW)
    conversations, heard = Conversations(core.network), Heard(core, OURS, lambda: NOW)
    conversations.recall(core.recall(), NOW)
    listener = Listener(core.network, OURS, puppets.address_of, core.find, lambda: NOW)
    opening = Opening(core, client, OURS, conversations, puppets, listener, tasks, entering.knows, opened.append)
    meeting = Meeting(
        core, client, OURS, conversations, puppets, rooms, opening, tasks, opened.append, lambda: NOW
    )  # fmt: skip
    direct = DirectRooms(core, OURS, conversations, puppets, listener, opening, Pace(0.5, 30), lambda: NOW)
    missed = Missed(core, client, OURS, rooms, now=lambda: NOW)
    intake = Intake(core, OURS, rooms, puppets, entering, sender, tasks, direct, heard, missed, lambda: NOW)
    return Parlour(core, tasks, rooms, puppets, conversations, opening, direct, meeting, heard, missed, intake, opened)
