"""Voyage's conversations, provider keys, AI settings and system prompt into this database."""

from app.voyage_import.job import Limits
from app.voyage_import.report import ImportReport, Kind, Outcome
from app.voyage_import.run import import_voyage

__all__ = ["ImportReport", "Kind", "Limits", "Outcome", "import_voyage"]
