"""Where the work is done: executors and the tasks they run."""
