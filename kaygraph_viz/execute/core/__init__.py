"""The parts of all executors: the interface, one call, one branch, retries, worker pools, pickling."""
