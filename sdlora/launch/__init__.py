"""Files that run a settings file on another machine, for engines that are there; written and not run."""
