"""Voyage's own chat tools: the same names, parameters and results, as the calling user over Voyage's REST API."""
