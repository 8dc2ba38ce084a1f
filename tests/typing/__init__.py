"""What the type checker says to code that uses the kit wrongly."""
