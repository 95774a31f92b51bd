"""The diagram of a graph."""
