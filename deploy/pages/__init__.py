"""What the pages of reports share: one file each, server-drawn plots, no script, nothing fetched."""
