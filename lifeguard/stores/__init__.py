"""Ledgers that outlive a process, and that many processes share; how a scope gets from one of them to the next.

`scope(ledger="sqlite:///run.db")` keeps what is owed in a database. Another process can join the scope (`shared`, `join`);
what was acquired in one may be released in another, and is judged where the scope was opened. What dead processes left is
listed by `orphans` and released by `reap`; `prune` takes out what nobody needs any more; `late_events` tells what came
after a verdict.

Inside, from the bottom to the top:

- `naming`: what a ledger is called; `schema`, `migrations`, `database`: tables, and transactions on them; `processes`: who
  lives.
- `keys`, `kinds`, `rows`, `books`, `spans`, `tables`: the ledger's own records, there and back.
- `worlds`, `steps`: the machine of `lifeguard.ledger`, told a step in a transaction.
- `jobs`, `lines`, `waiting`: steps on their way, and those that wait for a database; `store`: the thread that writes;
  `switchboard`: which ledger a step goes to.
- `sharing`, `joining`, `late`: what a scope has of it; `orphans`, `reap`, `pruning`: what is left.
- `propagation`, `children`, `web` and what stands beside them: how the identity of a scope travels.
"""

from lifeguard.extensions import installed, missing

if not installed("sqlalchemy"):
    raise missing("SQLAlchemy", "sql", "lifeguard.stores")

from lifeguard.stores.children import carry, child_environment, join_parent, pool_initializer
from lifeguard.stores.joining import Join, SharedScope, join, shared
from lifeguard.stores.late import LateEvent, late_events
from lifeguard.stores.naming import Ledger
from lifeguard.stores.orphans import Orphan, Orphans, orphans
from lifeguard.stores.propagation import current_shared, extract, inject
from lifeguard.stores.pruning import Pruned, prune
from lifeguard.stores.reap import Reaped, Reaping, reap
from lifeguard.stores.store import let_go
from lifeguard.stores.web import JoiningASGI, JoiningWSGI

__all__ = [
    "Join",
    "JoiningASGI",
    "JoiningWSGI",
    "LateEvent",
    "Ledger",
    "Orphan",
    "Orphans",
    "Pruned",
    "Reaped",
    "Reaping",
    "SharedScope",
    "carry",
    "child_environment",
    "current_shared",
    "extract",
    "inject",
    "join",
    "join_parent",
    "late_events",
    "let_go",
    "orphans",
    "pool_initializer",
    "prune",
    "reap",
    "shared",
]
