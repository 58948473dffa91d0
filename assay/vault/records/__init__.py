"""The vault room's tables and statements. Nobody else reads them."""
