"""The version, in its one place: packaging and the User-Agent read it here."""

__version__ = "0.1.0"
