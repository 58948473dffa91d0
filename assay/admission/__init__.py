"""Admission: may this image run here? Clusters and their policies, the decision, and what it is recorded as."""
