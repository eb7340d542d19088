"""What Linux does, behind the doors of the CPU."""
