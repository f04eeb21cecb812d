"""The control plane of a Kubernetes cluster: requests to its API server, and its first resources."""
