"""What teaches: lessons, patterns, the services that they ask, and examples of them."""
