"""Mail: what is sent to whom and when, at once or in a digest, and how it gets there once."""
