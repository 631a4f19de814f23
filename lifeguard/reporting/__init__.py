"""What people look at: one data model (`model`), and one small module a format over it.

- `model`: what scopes have to say and, where a journal was kept, every event of every resource. Frozen, versioned data.
- `json_format`, `text_format`, `sarif`, `junit`, `markdown`, `html`: functions from a `Report` to a text.
- `formats`: the table of them, each loaded when it is asked for.
- `journal`, `replay`: a file of everything that a ledger was told, and the ledger told it again.

It stands outside the core: nothing inside imports it.
"""
