"""Whether everything that Baton needs is there."""
