"""Tells waiting readers that something happened, here and on other replicas; a hint, never the news itself."""

from app.wakeups.choice import wakeups_over
from app.wakeups.local import Wakeups, Watch
from app.wakeups.url import valkey_url_complaint

__all__ = ["Wakeups", "Watch", "valkey_url_complaint", "wakeups_over"]
