"""System V IPC: ipc/."""
