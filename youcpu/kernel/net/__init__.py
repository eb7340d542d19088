"""Sockets between the programs of this machine: net/."""
