"""The reports of a test session: failure reports, sections in pytest's output, the summary line."""
