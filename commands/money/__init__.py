"""Commands that show, raise and review ceilings, and that correct charges."""
