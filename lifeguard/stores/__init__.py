"""Ledgers that outlive a process, and that many processes share."""

from lifeguard.stores.joining import Join, SharedScope, join, shared
from lifeguard.stores.naming import Ledger
from lifeguard.stores.propagation import extract, inject

__all__ = ["Join", "Ledger", "SharedScope", "extract", "inject", "join", "shared"]
