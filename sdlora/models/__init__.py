"""Base models on this computer: where drawing programs keep them, and what lies there."""
