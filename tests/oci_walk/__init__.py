"""The worked commands of oci-api 5, played in order with the stock clients against a fresh server: `make oci-walk`."""
