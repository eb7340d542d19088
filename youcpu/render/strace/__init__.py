"""System calls in strace's own form: what strace 6.1 writes for the same call."""
