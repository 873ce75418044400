"""Throughput, latency and memory, measured in fresh processes."""
