"""What the fork server and its client agree on."""

from __future__ import annotations

READY = b"ready"
# What one message holds at most, in bytes.
MESSAGE_BYTES = 64
