"""What time it is, and who waits: the clock in force, real or simulated."""
