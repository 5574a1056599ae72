"""What an operator can count on: the gateway's metrics, in one registry that belongs to one gateway."""

import asyncio
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

Waiting = Callable[[], dict[str, tuple[int, float]]]
"""By network: how many deliveries wait, and how long ago the oldest of them was said, in seconds."""


class _Queues(Collector):
    """What waits, as it is at the moment of asking."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """One gauge for the number, one for the age."""
        number = GaugeMetricFamily("rialto_deliveries_waiting", "Deliveries that have not ended", labels=["network"])
        oldest = GaugeMetricFamily(
            "rialto_oldest_waiting_seconds", "Since the oldest message that waits was said", labels=["network"]
        )
        for network, (count, age) in sorted(self._waiting().items()):
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
        self.entered = Gauge(
            "rialto_places_entered", "Configured places the bot is in", ["network"], registry=self.registry
        )
        self.online = Gauge(
            "rialto_network_online", "1 while the network can be spoken to", ["network"], registry=self.registry
        )

    def watch(self, waiting: Waiting) -> None:
        """From now on, what waits is shown, too."""
        self.registry.register(_Queues(waiting))


def _tasks() -> int:
    """How many there are now; none where no loop runs."""
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return 0
