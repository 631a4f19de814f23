"""Ledgers that outlive a process, and that many processes share."""

from lifeguard.stores.joining import Join, SharedScope, join, shared
from lifeguard.stores.naming import Ledger

__all__ = ["Join", "Ledger", "SharedScope", "join", "shared"]
