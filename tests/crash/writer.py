"""Writes rows into a WAL database, saying each that SQLite calls durable: `writer.py FILE SYNCHRONOUS ROWS`."""

import sqlite3
import sys

sql = sqlite3.connect(sys.argv[1], isolation_level=None)
sql.execute("PRAGMA journal_mode = WAL")
sql.execute(f"PRAGMA synchronous = {sys.argv[2]}")
sql.execute("CREATE TABLE IF NOT EXISTS rows (x INTEGER PRIMARY KEY)")
for _ in range(int(sys.argv[3])):
    row = sql.execute("INSERT INTO rows VALUES (NULL) RETURNING x").fetchone()
    print(row[0], flush=True)
print("end", flush=True)
sys.stdin.read()
