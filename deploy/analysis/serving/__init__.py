"""Questions over HTTP: read-only, with API keys and limits."""
