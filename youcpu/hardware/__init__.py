"""What silicon does: RAM, paging, CPU, interrupts. Knows nothing of Linux."""
