"""docs/monitoring.md names what is exported, and nothing else."""

import re
from pathlib import Path

from bridge.counts import Counts

PAGE = Path(__file__).parents[2] / "docs" / "monitoring.md"


def test_the_page_lists_the_metrics() -> None:
    counts = Counts()
    counts.watch(lambda: {"home": (2, 1.5)}, lambda: {"home": (3, 0.5)})
    exported = {metric.name + ("_total" if metric.type == "counter" else "") for metric in counts.registry.collect()}
    listed = re.findall(r"^\| `(rialto_\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(exported)


def test_what_waits_is_shown_as_it_is_when_asked() -> None:
    counts = Counts()
    waiting = {"home": (2, 1.5)}
    counts.watch(lambda: waiting, dict)
    assert counts.registry.get_sample_value("rialto_deliveries_waiting", {"network": "home"}) == 2
    waiting["home"] = (0, 0.0)
    assert counts.registry.get_sample_value("rialto_deliveries_waiting", {"network": "home"}) == 0
    assert counts.registry.get_sample_value("rialto_oldest_waiting_seconds", {"network": "home"}) == 0
