"""The tour: chapters of screens that run youcpu's own commands, and questions on what they showed.

Two static programs lie in programs/ (built from fixtures/hello and fixtures/family), for what a
program of the host would show differently on each; all else runs the host's own programs.
"""
