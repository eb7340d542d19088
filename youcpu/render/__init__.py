"""Looks: values in, text, JSON or pictures out."""
