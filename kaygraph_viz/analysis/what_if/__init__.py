"""What would have been under other conditions: a recorded run, replayed."""
