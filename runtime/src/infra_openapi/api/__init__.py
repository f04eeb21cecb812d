"""Compare everything except schemas: operations, parameters, bodies, responses, security, servers."""
