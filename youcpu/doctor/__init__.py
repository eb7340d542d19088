"""The doctor: why an exec fails, which file is at fault, what would mend it."""
