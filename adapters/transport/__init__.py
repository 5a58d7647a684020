"""How bytes travel to upstreams. Every call of every adapter passes `Upstream.call`."""
