"""Which user ids are ours where nobody gave us a namespace: the account's own, and no other."""

from adapters.matrix.ids import Namespace, localpart


class Own(Namespace):
    """The account alone. What looks like a puppet is another gateway's, and a person as far as we can tell."""

    __slots__ = ()

    @classmethod
    def of(cls, user_id: str) -> "Own":
        """Of this account."""
        return cls(user_id.partition(":")[2], "", localpart(user_id))

    def is_puppet(self, user_id: str) -> bool:
        """Never: an ordinary account makes no others."""
        return False
