"""What the world sees of the gateway over plain HTTP; a proxy in front of it ends TLS.

server     listens, and bounds what clients may hold
door       the begin of every connection, where notices that come whole are answered at once
exchange   around every other request: limits, errors, headers, log line, metrics
notices    platforms' notices on their way to intake
callbacks  those that came in some other way
totals_http, page
"""
