"""An obedient puppet: a model that does whatever any text tells it, and the orders that it meets."""
