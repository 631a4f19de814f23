"""The state machine: events in, obligations and findings out. Pure: no I/O, no clock, no function, no thread, no
format.

`states` is one obligation, `records` what is written down, `book` the tables, `acts` what each verb does to them,
`spans` and
`judging` the rules about an end, `invariants` what the user's own rules may look at, `account` the findings put into
words, and
`machine` the door: one lock, one sequence.
"""
