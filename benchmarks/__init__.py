"""What lifeguard costs, as ratios: `python -m benchmarks`, or `nox -s bench` for all Pythons with all rivals.

- `measuring`: a row of the table, and samples taken in turns.
- `services`: the contenders: one service, under no wrapper, a do-nothing one, lifeguard's and its rivals'; and the proof
  that each of them does its work.
- `pairs`, `memory`, `growth`, `starting`: the rows, a file for each family.
- `report`: the table and the plot, made from the JSON files.
"""
