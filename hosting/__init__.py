"""Folders for hosts: put together, checked, and started as the host would."""
