"""A server is resized by four processes that know one another by HTTP only, and one scope watches all of them.

`resources.py` is what can be owed, with its contracts; `wire.py` is HTTP, with the two lines that let a scope travel;
`compute.py`, `conductor.py` and `api.py` are the services; `node.py` runs one of them; `run.py` starts all and shows them.
"""
