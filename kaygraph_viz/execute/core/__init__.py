"""What all kinds of executors share: the interface, one call, one branch, trying again, worker pools, pickling."""
