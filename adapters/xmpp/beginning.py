"""Where our time in a room begins: what was said before is not for us, however far back its history is asked for later.

By the room's own stamps, for its clock need not be ours; and they may be whole seconds (XEP-0082), so that lines of the
last one are known by their ids.
"""

import json

LATEST = 20
"""Lines of history that are asked for on the first entry, to learn which was the last before it. More than one, for
those of its second."""


class Beginning:
    """Of one room. `recalled` is what `value` gave before a restart."""

    def __init__(self, recalled: str | None) -> None:
        self._stamp: float | None = None
        self._ids: set[str] = set()
        self._learning = False
        self._read(recalled)

    def learn(self) -> None:
        """We are in for the first time: what its history gives until `learnt` was said before."""
        self._stamp = None
        self._ids.clear()
        self._learning = True

    def learnt(self) -> None:
        """Its history has ended."""
        self._learning = False

    def is_after(self, native_id: str, when: float) -> bool:
        """Of a line of the room's history or archive, by its id and its stamp: it was said before our time."""
        if self._learning:
            self._learn(native_id, when)
            return True
        return self._stamp is not None and (when < self._stamp or (when == self._stamp and native_id in self._ids))

    @property
    def value(self) -> str | None:
        """What is to be kept; None: nothing was said before that could come again."""
        return None if self._stamp is None else json.dumps([self._stamp, sorted(self._ids)])

    def _learn(self, native_id: str, when: float) -> None:
        if self._stamp is None or when > self._stamp:
            self._stamp = when
            self._ids.clear()
        if when == self._stamp:
            self._ids.add(native_id)

    def _read(self, recalled: str | None) -> None:
        try:
            stamp, ids = json.loads(recalled or "null")
            self._stamp, self._ids = float(stamp), {str(each) for each in ids}
        except (ValueError, TypeError):
            self._stamp = None  # nothing was kept: then nothing is held to be from before
