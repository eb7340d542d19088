"""The machine: the only place that wires RAM, CPU, devices, kernel and tracer together."""
