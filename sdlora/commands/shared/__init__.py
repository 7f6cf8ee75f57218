"""What several commands need: settings as flags, a run's beginning, the terminal, arguments of the toolbox."""
