"""One turn of an agent: a model call, then the tool calls that its reply asks for.

A model call goes one way: `models` (the activity) → `route` (over the choices) → `attempts` (one choice) → `reservation`
(the transaction before it) → the provider → `settlement` (the transaction after it) → `storage` (the turn).
"""
