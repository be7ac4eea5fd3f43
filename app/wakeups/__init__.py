"""Tells waiting readers that something happened, here and on other replicas; a hint, never the news itself."""

from app.wakeups.local import Wakeups, Watch
from app.wakeups.url import valkey_url_complaint
from app.wakeups.valkey import ValkeyWakeups

__all__ = ["ValkeyWakeups", "Wakeups", "Watch", "valkey_url_complaint"]
