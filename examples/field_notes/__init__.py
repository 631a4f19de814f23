"""Libraries explored: see docs/field-notes.md."""
