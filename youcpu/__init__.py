"""youcpu: what exactly happens when I run this program?"""

__version__ = "0.1.0"
