"""Ledgers that outlive a process, and that many processes share.

`scope(ledger="sqlite:///run.db")` keeps what is owed in a database. Another process can join the scope (`shared`, `join`); what was
acquired in one may be released in another, and is judged where the scope was opened. What dead processes left is listed by
`orphans` and released by `reap`; `prune` takes out what nobody needs any more; `late_events` tells what came after a verdict.

Inside: `naming` (what a ledger is called), `schema`, `migrations` and `database` (tables, and transactions on them), `processes`
(who lives), `keys`, `kinds`, `rows`, `books` and `tables` (the ledger's own records, there and back), `worlds` and `steps` (the
machine of `lifeguard.ledger`, told a step in a transaction), `lines` and `waiting` (steps that wait for a database), `store` (the
thread that writes), `switchboard` (which ledger a step goes to), `sharing` and `joining` (what a scope has of it).
"""

from lifeguard.stores.joining import Join, SharedScope, join, shared
from lifeguard.stores.late import LateEvent, late_events
from lifeguard.stores.naming import Ledger
from lifeguard.stores.orphans import Orphan, Orphans, orphans
from lifeguard.stores.pruning import Pruned, prune
from lifeguard.stores.reap import Reaped, Reaping, reap
from lifeguard.stores.store import let_go

__all__ = [
    "Join",
    "LateEvent",
    "Ledger",
    "Orphan",
    "Orphans",
    "Pruned",
    "Reaped",
    "Reaping",
    "SharedScope",
    "join",
    "late_events",
    "let_go",
    "orphans",
    "prune",
    "reap",
    "shared",
]
