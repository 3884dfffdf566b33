"""OKX spot: snapshot and chained updates on the socket, HMAC headers on REST."""
