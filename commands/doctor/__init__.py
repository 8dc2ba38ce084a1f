"""Checks that everything Baton needs is present and works."""
