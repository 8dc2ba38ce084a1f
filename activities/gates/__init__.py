"""Gates: opened, shown with computed facts, and decided by people whom policy allows."""
