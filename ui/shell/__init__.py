"""The page around the tabs: server, timer, queue, processes, looks."""
