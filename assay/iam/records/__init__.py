"""The IAM room's tables and statements. Nobody else reads them."""
