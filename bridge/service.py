"""The running gateway: builds the parts, starts them in an order that loses nothing, supervises and stops them."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import Any

import structlog
from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from bridge import lag
from bridge.admission import Admission
from bridge.archive import Archive
from bridge.breaker import Breaker
from bridge.changes import Changes
from bridge.commands import Commands
from bridge.config import Config, Listen, directory, names
from bridge.contract import Adapter, Routed, StartError
from bridge.conversations import Conversations
from bridge.counts import Counts
from bridge.delivery import Delivery
from bridge.doubles import Doubles
from bridge.host import Host, Shared
from bridge.inboxes import Inboxes
from bridge.journal import Journal, Keep
from bridge.keeper.client import KeeperClient
from bridge.lanes import Lanes
from bridge.model.address import Address, Place, local_part
from bridge.model.event import Event
from bridge.model.result import Failure
from bridge.names import Kind
from bridge.permissions import Permissions
from bridge.presence_service import PresenceService
from bridge.reconcile import Reconciler
from bridge.reports import Reports
from bridge.rosters import Rosters
from bridge.router import Router
from bridge.store import Store, StoreError, archive, conversations, events, states, story
from bridge.store import rules as stored_rules
from bridge.store import tokens as stored_tokens
from bridge.submissions import RESULT_WITHIN, Submissions
from bridge.supervisor import Supervisor
from bridge.tasks import cancel, spawn
from bridge.tokens import OFFER, Tokens
from bridge.topics import Topics
from bridge.web.app import build, public
from bridge.web.door import Door
from bridge.web.programs import Programs

log = structlog.get_logger(__name__)

VERSION = version("rialto-bridge")

RETENTION_EVERY = 600.0
"""Seconds between two looks for what need not be kept any longer."""

LONG = 40
"""Characters of a native id beyond which an encoded name may be too long for a network, and be a hash instead."""

DRAIN_WITHIN = 10.0
"""Seconds that what is being sent at a stop has to be confirmed. After that it is in doubt until the next start."""

HEALTHY_WITHIN = 5.0
"""Seconds in which the store has to answer for the gateway to be called healthy."""

FAILURES = 20
"""The latest deliveries that failed, as `rialto status` shows them."""


class Service:
    """One gateway over one configuration."""

    def __init__(
        self,
        config: Config,
        keeper: KeeperClient | None = None,
        store: Store | None = None,
        counts: Counts | None = None,
    ) -> None:
        """Build the adapters; no I/O. Raises `StartError` if one cannot work as configured.

        `store` is open already, and for whoever opened it to close; without one, it is opened and closed here. Then
        its commits are counted in `counts`.
        """
        self._config = config
        self._counts = counts or Counts()
        contexts = {name: replace(config.context(name), keeper=keeper) for name in config.networks}
        self._supervisors = {
            name: Supervisor(
                name, partial(attachment.factory.create, attachment.settings, contexts[name]), self._counts
            )
            for name, attachment in config.networks.items()
        }
        self._adapters: dict[str, Adapter] = {name: each.face for name, each in self._supervisors.items()}
        self._hosts: dict[str, Host] = {}
        self._lanes: Lanes | None = None
        self._journal: Journal | None = None
        self._failures: deque[dict[str, Any]] = deque(maxlen=FAILURES)
        self._quarantined = 0
        self._store = store or Store(config.store, self._counts.committed)
        self._is_open = store is not None

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set. Raises `StartError` or `StoreError` where it cannot start."""
        async with AsyncExitStack() as stack:
            await self._start(stack)
            log.info("rialto runs", networks=sorted(self._adapters), rooms=len(self._config.rooms))
            await stop.wait()
            log.info("rialto stops")
            await self._drain()

    async def story(self, wanted: str) -> list[dict[str, Any]]:
        """What is known of the messages with this id, ours or a network's; empty if there is none."""
        return await self._store.read(partial(story.stories, wanted=wanted, networks=sorted(self._adapters)))

    async def healthy(self) -> bool:
        """Whether the store's thread answers in time, or is known to wait for its database.

        It is asked how much is quarantined, which `status` tells from then on.
        """
        if self._store.trouble is not None:
            return True
        try:
            async with asyncio.timeout(HEALTHY_WITHIN):
                self._quarantined = await self._store.read(story.quarantined)
        except (TimeoutError, SQLAlchemyError, StoreError):
            return False
        return True

    def status(self) -> dict[str, Any]:
        """What `rialto status` shows: networks, lanes, and counts since the start."""
        counts = {
            f"{sample.name}{{{','.join(f'{key}={value}' for key, value in sorted(sample.labels.items()))}}}": int(
                sample.value
            )
            for metric in self._counts.registry.collect()
            if metric.type == "counter"
            for sample in metric.samples
            if sample.name.endswith("_total")
        }
        trouble = self._store.trouble
        return {
            "version": VERSION,
            "store": {"failure": trouble and trouble.text, "since": trouble and trouble.since},
            "networks": {
                name: {
                    "kind": self._config.networks[name].kind,
                    "online": host.condition.online,
                    "since": host.condition.since,
                    "failure": str(host.condition.failure) if host.condition.failure else None,
                    "places": {
                        place: self._trouble(Place(name, place), failure) for place, failure in host.places.items()
                    },
                }
                for name, host in self._hosts.items()
            },
            "lanes": self._lanes.snapshot() if self._lanes else [],
            "intake": {
                name: {"pending": pending, "age": age}
                for name, (pending, age) in (self._journal.pending() if self._journal else {}).items()
            },
            "failures": list(self._failures),
            "quarantined": self._quarantined,
            "counts": counts,
        }

    def _is_online(self, network: str) -> bool:
        host = self._hosts.get(network)
        return host is not None and host.condition.online

    def _trouble(self, place: Place, failure: Failure | None) -> str | None:
        """What is wrong with a configured place now, None if nothing is."""
        if failure is None and self._breaker.paused(place):
            return f"messages go in circles; somebody there is not heard for {self._breaker.paused(place):.0f} seconds"
        return None if failure is None else str(failure)

    async def _start(self, stack: AsyncExitStack) -> None:
        if not self._is_open:
            await self._store.open()
            stack.push_async_callback(self._store.close)
        await self._keep_choices()

        kept = await self._store.read(states.rosters)
        places = [member.place for room in self._config.rooms for member in room.members]
        reports = Reports(self._adapters, self._store, time.time, self._config.admins)
        rules = self._config.rules
        permissions = Permissions(self._store, await self._store.read(stored_rules.known), rules.people)

        submissions = Submissions(
            self._store,
            route=lambda event: router.route(event),
            accept=lambda event: journal.accept([event], Keep(event.origin.network)),
            within=RESULT_WITHIN,
        )

        def failed(delivery: Delivery, failure: Failure) -> None:
            self._failures.append(
                {"id": delivery.event.id, "place": str(delivery.place), "when": time.time(), "why": str(failure)}
            )
            if submissions.failed(delivery, failure):
                reports.known(delivery)
            else:
                reports.failed(delivery, failure)

        def refused(event: Event, failure: Failure) -> None:
            if not submissions.refused(event, failure):
                reports.refused(event, failure)

        lanes = Lanes(
            self._adapters,
            self._store,
            self._counts,
            failed=failed,
            ended=submissions.ended,
            denies=rules.denies,
            delivers=permissions.delivers,
        )
        self._lanes = lanes
        rosters = Rosters({place: people for place, people in kept.items() if place in places})
        found = directory(self._config.networks)
        talks = self._talks = Conversations(
            rules,
            self._adapters,
            in_rooms=rosters.in_any,
            is_canonical=found.is_canonical,
            is_room=lambda address: Place(address.network, address.native) in places,
            delivers=permissions.delivers,
            known=await self._store.read(conversations.known),
        )
        presence = self._presence = PresenceService(
            self._store,
            self._adapters,
            permissions,
            talks,
            exists=talks.exists,
            denies=rules.denies,
            is_online=self._is_online,
            say=reports.tell,
            written=found.written,
        )
        self._breaker = Breaker(time.monotonic, reports.looping)
        router = Router(self._config.rooms, Admission(rules, talks, self._breaker))
        self._archive = Archive(
            self._store,
            self._config.archive,
            room_of=lambda place: room.name if (room := router.room(place)) else None,
            opted_out=await self._store.read(archive.opted_out),
        )
        doubles = Doubles(router, rosters, self._adapters, self._is_online)
        reconciler = Reconciler(
            router,
            rosters,
            self._adapters,
            lanes.busy,
            await self._store.read(states.absences),
            doubles.is_double,
        )
        topics = Topics(router, self._adapters, self._store, reports, await self._store.read(states.topics))
        changes = Changes(router, rosters, reconciler, topics, reports, self._store)

        def deliver(delivery: Delivery) -> None:
            if delivery.event.to is not None:
                talks.opened(delivery.event)
            lanes.put(delivery)

        journal = self._journal = Journal(
            self._store,
            router,
            self._counts,
            number=lanes.number,
            deliver=deliver,
            apply=changes.apply,
            refuse=refused,
            last_seen=await self._store.read(partial(events.last_seen, places=places)),
            archive=self._archive.keeps,
        )
        none = dict.fromkeys(self._adapters, (0, 0.0))
        self._counts.watch(lanes.queues, lambda: none | journal.pending())
        known = names(self._config)
        for address in await self._store.read(partial(events.long_names, longer=LONG)):
            if address.network in self._config.networks:
                known.learn(address)
        # The last to end of all that adapters hand things to: what they say on leaving is taken in.
        journal.start()
        stack.push_async_callback(journal.stop)

        def may_decide(address: Address) -> bool:
            # Who has rules may change them, however long ago they were reached, and who is watched may decide about it:
            # nobody else can.
            concerned = bool(permissions.rules_of(address)) or presence.is_watched(address)
            return (concerned and not rules.denies(address)) or talks.may_decide(address)

        commands = Commands(permissions, found, may=may_decide, networks=self._config.networks)
        tokens = Tokens(
            self._store,
            await self._store.read(stored_tokens.known),
            may_use=talks.may_use,
            in_clear=lambda network: self._config.networks[network].kind == Kind.IRC,
        )
        for offer, run in (*presence.watchers.commands(), self._archive.command(), (OFFER, tokens.command)):
            commands.add(offer, run)
        shared = Shared(
            self._store,
            router,
            known,
            self._counts,
            journal,
            lanes,
            reconciler,
            reports,
            topics,
            presence,
            found,
            doubles,
            commands,
        )
        programs = Programs(
            tokens,
            Inboxes(found, self._config.networks, exists=talks.exists, at_home=talks.at_home),
            presence,
            submissions,
            talks.may_use,
            name_of=lambda address: rosters.name_of(address) or local_part(address),
        )
        memories = await self._store.read(states.memories)

        def host(name: str, crashed: Callable[[BaseException], None]) -> Host:
            before = self._hosts.get(name)
            memory = memories.get(name, {}) if before is None else before.recall()
            made = Host(name, self._adapters[name], shared, memory, crashed=crashed)
            if before is not None:
                # Why it is offline holds until it is online again.
                made.condition = before.condition
            self._hosts[name] = made
            return made

        await lanes.give_up()
        await reports.start()
        stack.push_async_callback(reports.stop)
        await presence.start()
        stack.push_async_callback(topics.stop)
        reconciler.start()
        stack.push_async_callback(reconciler.stop)
        await lanes.start(places, reconciler)
        stack.push_async_callback(lanes.stop)
        await self._listen(stack, programs)
        started: list[Supervisor] = []
        stack.push_async_callback(self._stop_adapters, started)
        for name, supervisor in self._supervisors.items():
            started.append(supervisor)
            await supervisor.start(partial(host, name))
        beside = [
            spawn(self._retain(), name="retention"),
            spawn(lag.measure(self._counts.lag.observe), name="lag"),
            spawn(presence.run(), name="presence"),
        ]
        stack.push_async_callback(cancel, beside)

    async def _keep_choices(self) -> None:
        """A network that owns the bare domains of its kind owns them for ever: otherwise names would change."""
        for name, attachment in self._config.networks.items():
            if not attachment.default:
                continue
            key = f"default.{attachment.kind}"
            owner = await self._store.write(partial(states.choose, key=key, value=name))
            if owner != name:
                raise StartError(
                    f"networks.{name}: '{owner}' owned the bare {attachment.kind} domains when this store was made, "
                    f"and every name on the other networks depends on it; put 'default: true' under networks.{owner}"
                )

    async def _listen(self, stack: AsyncExitStack, programs: Programs) -> None:
        http = self._config.http
        token = http.admin_token
        app = build(self._adapters, self._counts.registry, self, token.get_secret_value() if token else None, programs)
        await _open(stack, "http.listen", http.listen, app)
        if http.public_listen is not None:
            await _open(stack, "http.public_listen", http.public_listen, public(programs))
        routed = sorted(name for name, adapter in self._adapters.items() if isinstance(adapter, Routed))
        public_address = http.public_listen and str(http.public_listen)
        log.info("listening", address=str(http.listen), public=public_address, networks=routed)

    async def _drain(self) -> None:
        """Send nothing more, and let what is being sent arrive; what waits, or comes in, is there at the next start."""
        lanes = self._lanes
        if lanes is None or not (late := await lanes.drain(1.0)):
            return
        log.info("waiting for what is being sent", deliveries=late, seconds_at_most=DRAIN_WITHIN)
        if late := await lanes.drain(DRAIN_WITHIN - 1.0):
            log.warning("not confirmed in time: in doubt until the next start", deliveries=late)

    async def _stop_adapters(self, started: list[Supervisor]) -> None:
        # First nobody asks anything of them any more; then they say good-bye side by side.
        for supervisor in started:
            await supervisor.close()
        await asyncio.gather(*(supervisor.stop() for supervisor in started))

    async def _retain(self) -> None:
        """Erase what need not be kept any longer (`keep_bodies`, `keep_map`)."""
        while True:
            now = time.time()
            forget = partial(
                events.forget, bodies_before=now - self._config.keep_bodies, ids_before=now - self._config.keep_map
            )
            try:
                # A little at a time: whoever has something to write meanwhile comes in between.
                while any(erased := await self._store.write(forget)):
                    log.info("erased", bodies=erased[0], events=erased[1])
                while erased_kept := await self._archive.forget(now):
                    log.info("erased from the archive", events=erased_kept)
                forget_talks = partial(conversations.forget, before=now - self._config.keep_map)
                if await self._store.write(forget_talks):
                    self._talks.keep(await self._store.read(conversations.known))
                await self._presence.forget()
            except SQLAlchemyError:
                log.exception("no more could be erased")
            await asyncio.sleep(RETENTION_EVERY)


async def _open(stack: AsyncExitStack, key: str, listen: Listen, app: web.Application) -> None:
    door = Door(app, shutdown_timeout=2.0)
    stack.push_async_callback(door.close)
    try:
        await door.open(listen.host, listen.port)
    except OSError as error:
        raise StartError(
            f"{key}: cannot listen on {listen}: {error.strerror or error}; "
            "is another Rialto running? Otherwise write another port"
        ) from error
