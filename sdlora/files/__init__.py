"""Files as they come and go: whole or not at all, regular or named, pasted paths, kinds by first bytes. No torch."""
