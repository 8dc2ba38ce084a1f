"""Named changes of Delivery. Its children use the same list: a child is given the changes its run began with."""

REFUSED_PUSH = "refused-push"
"""A push that the target refuses asks a person for another branch or author, instead of ending the run."""

CHANGES: tuple[str, ...] = (REFUSED_PUSH,)
"""See `workflows/kit/changes.py`."""
