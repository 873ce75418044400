"""Devices and their ceilings: published, or measured on this machine."""
