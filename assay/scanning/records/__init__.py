"""The scanning room's rows: statements only, no rule. Every statement runs on SQLite and PostgreSQL alike."""
