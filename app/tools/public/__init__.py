"""The tools that ask public services: places, weather and the web."""
