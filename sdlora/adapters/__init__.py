"""What learns: adapter kinds, where they are attached, how large they are."""
