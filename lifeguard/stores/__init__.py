"""Ledgers that outlive a process, and that many processes share; how a scope gets from one of them to the next."""

from lifeguard.stores.children import carry, child_environment, join_parent, pool_initializer
from lifeguard.stores.joining import Join, SharedScope, join, shared
from lifeguard.stores.naming import Ledger
from lifeguard.stores.propagation import current_shared, extract, inject
from lifeguard.stores.web import JoiningASGI, JoiningWSGI

__all__ = [
    "Join",
    "JoiningASGI",
    "JoiningWSGI",
    "Ledger",
    "SharedScope",
    "carry",
    "child_environment",
    "current_shared",
    "extract",
    "inject",
    "join",
    "join_parent",
    "pool_initializer",
    "shared",
]
