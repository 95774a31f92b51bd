"""The panel to play with."""
