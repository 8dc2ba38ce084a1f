"""Support desks: reading tickets, opening their cases, and looking up what is known of their customers."""
