"""Model families: what a base model is, and how its parts are loaded."""
