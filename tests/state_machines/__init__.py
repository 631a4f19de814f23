"""State machines of Hypothesis that are made from contracts."""
