"""System calls, a file a family; table.py has the declaration."""
