"""Events appended to a file."""
