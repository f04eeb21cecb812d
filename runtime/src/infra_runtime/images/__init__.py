"""Images of a user's own services, in the format of the Open Container Initiative (OCI), without Docker.

`build` creates an image from a base image, the locked dependencies and the code of the project. `registry`
copies images between folders and registries, and `container` runs an image on this machine.

Sources: OCI, "Image Format Specification" 1.1 and "Distribution Specification" 1.1.
"""
