"""Named changes of Delivery: its story and its children go by the same list, for a child is handed what its run began with."""

CHANGES: tuple[str, ...] = ()
"""See `workflows/kit/changes.py`."""
