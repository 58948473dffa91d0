"""The signing room's tables and statements. Nobody else reads them."""
