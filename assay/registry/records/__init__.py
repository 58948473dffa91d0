"""The registry's tables and statements. No rule and no permission stands here."""
