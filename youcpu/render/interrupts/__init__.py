"""Descriptor tables, deliveries and rings as text and pictures."""
