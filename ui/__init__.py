"""The page: a view of run folders. It writes settings, starts the trainer as a process and reads what that writes."""
