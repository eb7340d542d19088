"""Platform devices of a PC, each by its datasheet; none knows another."""
