"""Named changes of Delivery. Its children use the same list: a child is given the changes its run began with."""

CHANGES: tuple[str, ...] = ()
"""See `workflows/kit/changes.py`."""
