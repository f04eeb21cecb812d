"""What is around the schemas: operations, parameters, bodies, responses, security, servers."""
