"""Measurements that another person gets again, by the protocol in docs/measuring.md."""
