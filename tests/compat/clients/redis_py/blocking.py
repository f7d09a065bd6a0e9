"""redis-py, blocking: its default pipeline is a MULTI/EXEC."""

import json
import sys

import redis

host, port, prefix, protocol = sys.argv[1:]
chosen = {} if protocol == "default" else {"protocol": int(protocol)}
client = redis.Redis(host, int(port), decode_responses=True, **chosen)


def hundred(pipeline: redis.client.Pipeline) -> list:
    for number in range(50):
        pipeline.hset(f"{prefix}:{number}", "n", number)
        pipeline.hget(f"{prefix}:{number}", "n")
    return pipeline.execute()


said = {"resp": int(client.client_info()["resp"])}
said["hmget"] = client.hmget(f"{prefix}:row", "tier", "ctr_7d", "none")
said["pipeline"] = hundred(client.pipeline(transaction=False))
said["transaction"] = hundred(client.pipeline())
try:
    client.incr(f"{prefix}:counter")
except redis.ResponseError as error:
    said["error"] = str(error)
said["after"] = client.get(f"{prefix}:text")
client.close()
print(json.dumps(said))
