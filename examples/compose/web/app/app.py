"""Counts visits in Redis and keeps the cart in PostgreSQL."""
import http.server
import os

import psycopg
import redis

cache = redis.from_url(os.environ["REDIS_URL"])


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"ok"
        if self.path != "/healthz":
            with psycopg.connect(os.environ["DATABASE_URL"]) as db:
                version = db.execute("SELECT version()").fetchone()[0]
            body = f"visit {cache.incr('visits')} on {version}\n".encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)


http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
