"""The release archive: what people download who have no git."""
