"""The interrupt lab: a small kernel in assembly (fixtures/interrupt-lab) run on the machine."""
