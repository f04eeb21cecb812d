"""Compare all parts of two documents except schemas: operations, parameters, request bodies, responses, …"""
