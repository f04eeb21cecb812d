"""The Kubernetes engine, which writes a plan as a Kustomize base and overlays."""

from infra_runtime.engines.kubernetes.engine import Kubernetes

__all__ = ["Kubernetes"]
