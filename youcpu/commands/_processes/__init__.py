"""What fork-tree and sched share: options of the machine, output."""
