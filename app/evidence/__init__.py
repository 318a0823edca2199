"""Evidence 证据包: everything public about one project in one file that a stranger checks offline."""
