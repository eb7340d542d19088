"""What the commands of the exec path share."""
