"""The admission room's rows: authorities, clusters with their policies and credentials, decisions."""
