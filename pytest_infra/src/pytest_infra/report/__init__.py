"""What a test session reports: failure reports, failure sections, the summary line."""
