"""Pictures and words, pure: a run in, text out."""
