"""The kind `kubernetes`: requests to the API server of a cluster, and the first resources of a cluster."""
