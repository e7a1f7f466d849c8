"""For analysts: SQL, frames and files over all tables and topics, beside running workers."""
