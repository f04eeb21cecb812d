"""Compare all parts of documents except schemas: operations, parameters, bodies, responses and so on."""
