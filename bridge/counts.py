"""What an operator can count on: the gateway's metrics, in one registry that belongs to one gateway."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

Waiting = Callable[[], dict[str, tuple[int, float]]]
"""By network: how many wait, and since how many seconds the oldest of them does."""


@dataclass(frozen=True, slots=True)
class _Queues(Collector):
    """What waits, as it is at the moment of asking: a gauge for the number, and one for the age."""

    waiting: Waiting
    number: tuple[str, str]
    """Name and description."""
    oldest: tuple[str, str]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Ask."""
        number = GaugeMetricFamily(*self.number, labels=["network"])
        oldest = GaugeMetricFamily(*self.oldest, labels=["network"])
        for network, (count, age) in sorted(self.waiting().items()):
            number.add_metric([network], count)
            oldest.add_metric([network], age)
        return number, oldest


class Counts:
    """Prometheus metrics. Labels are network names and short fixed words, never people or places."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.tasks = Gauge(
            "rialto_tasks", "Tasks of the event loop: flat, where none is left behind", registry=self.registry
        )
        self.tasks.set_function(_tasks)
        self.accepted = Counter(
            "rialto_events_accepted", "Events taken in and made durable", ["network"], registry=self.registry
        )
        self.duplicates = Counter(
            "rialto_events_duplicate", "Events that were known already", ["network"], registry=self.registry
        )
        self.ignored = Counter(
            "rialto_ignored",
            "What came in and is not bridged, by what it was",
            ["network", "what"],
            registry=self.registry,
        )
        self.quarantined = Counter(
            "rialto_events_quarantined", "Events that could not be recorded", ["network"], registry=self.registry
        )
        self.ended = Counter(
            "rialto_deliveries_ended", "Deliveries by how they ended", ["network", "state"], registry=self.registry
        )
        self.downgraded = Counter(
            "rialto_downgrade_steps",
            "Steps taken to say what a network cannot",
            ["network", "step"],
            registry=self.registry,
        )
        self.retries = Counter(
            "rialto_delivery_retries", "Attempts that failed for the moment", ["network"], registry=self.registry
        )
        self.crashes = Counter(
            "rialto_adapter_crashes", "Adapters that failed and were started again", ["network"], registry=self.registry
        )
        self.latency = Histogram(
            "rialto_delivery_seconds",
            "From taking an event in to its confirmation in a place",
            ["network"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600),
            registry=self.registry,
        )
        self.connects = Counter(
            "rialto_network_connects",
            "Times the network came online: beyond the first, connections that were lost",
            ["network"],
            registry=self.registry,
        )
        self.lag = Histogram(
            "rialto_event_loop_lag_seconds",
            "By how much the event loop was late",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
            registry=self.registry,
        )
        self.commit = Histogram(
            "rialto_store_commit_seconds",
            "What one commit of the store took, with the operations in it",
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
            registry=self.registry,
        )
        self.batch = Histogram(
            "rialto_store_commit_operations",
            "Operations that shared one commit",
            buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
            registry=self.registry,
        )
        self.entered = Gauge(
            "rialto_places_entered", "Configured places the bot is in", ["network"], registry=self.registry
        )
        self.online = Gauge(
            "rialto_network_online", "1 while the network can be spoken to", ["network"], registry=self.registry
        )

    def watch(self, waiting: Waiting, pending: Waiting) -> None:
        """From now on, what waits is shown, too: to be brought, and to be taken in."""
        self.registry.register(
            _Queues(
                waiting,
                ("rialto_deliveries_waiting", "Deliveries that have not ended"),
                ("rialto_oldest_waiting_seconds", "Since the oldest message that waits was said"),
            )
        )
        self.registry.register(
            _Queues(
                pending,
                ("rialto_intake_pending", "Events and states on their way into the store"),
                ("rialto_intake_oldest_seconds", "Since the oldest of them was handed in"),
            )
        )

    def committed(self, operations: int, seconds: float) -> None:
        """The store made so many operations durable in one commit, which took that long. Any thread may call this."""
        self.batch.observe(operations)
        self.commit.observe(seconds)


def _tasks() -> int:
    """How many there are now; none where no loop runs."""
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return 0
