"""The demonstration: real servers on loopback, Rialto between them, and a conversation across all of them."""

from pathlib import Path


def run_demo(once: bool, folder: Path | None = None) -> int:
    """Run the demonstration; gives the exit code: 0 only if every line reached everyone exactly once.

    `once` ends after the conversation; otherwise everything stays up until Ctrl-C. `folder` keeps all files;
    without it they lie in a folder of their own that is removed at the end.
    """
    from bridge.demo.run import run_demo as run  # late: the servers are also started by those who need no clients

    return run(once, folder)
