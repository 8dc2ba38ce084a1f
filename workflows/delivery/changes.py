"""Named changes of Delivery. Its children use the same list: a child is given the changes its run began with."""

REFUSED_PUSH = "refused-push"
"""A push that the target refuses asks a person for another branch or author, instead of ending the run."""

BASE_FIRST = "base-first"
"""The check runs on the base before a model is paid, and a person decides where it proves nothing."""

PROOF = "proof"
"""After the runs on change and base the check is run further, to see what it proves."""

WRITERS_CLAIMS = "writers-claims"
"""What the writers claim, how sure they are and what they have read counts for risk and for rules, as the planner's does."""

CHANGES: tuple[str, ...] = (REFUSED_PUSH, BASE_FIRST, PROOF, WRITERS_CLAIMS)
"""See `workflows/kit/changes.py`."""
