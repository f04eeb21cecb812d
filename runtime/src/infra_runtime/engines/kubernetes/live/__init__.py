"""Deploy a plan to a Kubernetes cluster with kubectl, and operate the deployed stack."""
