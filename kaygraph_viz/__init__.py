"""See parallel code."""
__version__ = "0.1.0"
