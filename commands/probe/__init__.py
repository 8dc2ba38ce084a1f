"""`baton models probe`: finds out by a few tiny calls what an endpoint can do."""
