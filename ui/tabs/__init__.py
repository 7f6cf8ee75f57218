"""One module per tab; each builds its components and answers their events."""
