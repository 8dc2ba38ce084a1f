"""Named changes of Delivery. Its children use the same list: a child is given the changes its run began with."""

BASE_FIRST = "base-first"
"""The check runs on the base before a model is paid, and a person decides where it proves nothing."""

CHANGES: tuple[str, ...] = (BASE_FIRST,)
"""See `workflows/kit/changes.py`."""
