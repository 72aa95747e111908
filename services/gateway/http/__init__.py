"""What the world sees of the gateway over plain HTTP; a proxy in front of it ends TLS.

server     listens, and bounds what clients may hold
exchange   around every request: limits, errors, headers, log line, metrics
callbacks  platforms' notices
totals_http, page
"""
