"""Key expressions: which thing a contract speaks of, read from a call and made comparable.

`grammar` parses what the user writes; `reading`, `expressions` and `conditions` read it at the two moments of a call;
`identity` makes values comparable without running their code; `showing` and `reprs` make texts of them; `sampling`
says which of them are in a sample.
"""

from lifeguard.keys.conditions import Condition, parse_condition
from lifeguard.keys.expressions import (
    AmountExpression,
    KeyExpression,
    Pattern,
    PatternExpression,
    parse_amount,
    parse_key,
    parse_pattern,
    pattern_of,
)
from lifeguard.keys.grammar import After, Each, Part, after, each, source_of
from lifeguard.keys.identity import NOTHING, Key, ObjectKey, Tagged, forget, hold, identify
from lifeguard.keys.reading import Begun, Unreadable
from lifeguard.keys.reprs import problem_text, repr_safely, shorten
from lifeguard.keys.sampling import LOTS, limit_of, lot, lot_of, plain_lot
from lifeguard.keys.showing import alike, plain, show, show_fields

__all__ = [
    "LOTS",
    "NOTHING",
    "After",
    "AmountExpression",
    "Begun",
    "Condition",
    "Each",
    "Key",
    "KeyExpression",
    "ObjectKey",
    "Part",
    "Pattern",
    "PatternExpression",
    "Tagged",
    "Unreadable",
    "after",
    "alike",
    "each",
    "forget",
    "hold",
    "identify",
    "limit_of",
    "lot",
    "lot_of",
    "parse_amount",
    "parse_condition",
    "parse_key",
    "parse_pattern",
    "pattern_of",
    "plain",
    "plain_lot",
    "problem_text",
    "repr_safely",
    "shorten",
    "show",
    "show_fields",
    "source_of",
]
