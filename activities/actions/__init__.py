"""Effects on the outside world: approved actions are carried out at most once, by one adapter for each kind of target."""
