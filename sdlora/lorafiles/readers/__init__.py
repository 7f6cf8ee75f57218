"""What other tools accept of a LoRA file, rule by rule."""
