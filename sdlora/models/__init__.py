"""Base models: which family a folder is, and its parts loaded."""
