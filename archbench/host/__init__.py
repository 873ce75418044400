"""This machine: its devices, software, load and clocks."""
