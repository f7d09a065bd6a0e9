"""redis-py under asyncio: its default pipeline is a MULTI/EXEC."""

import asyncio
import json
import sys

import redis.asyncio

host, port, prefix, protocol = sys.argv[1:]
chosen = {} if protocol == "default" else {"protocol": int(protocol)}


async def hundred(pipeline: redis.asyncio.client.Pipeline) -> list:
    for number in range(50):
        pipeline.hset(f"{prefix}:{number}", "n", number)
        pipeline.hget(f"{prefix}:{number}", "n")
    return await pipeline.execute()


async def main() -> None:
    client = redis.asyncio.Redis(host=host, port=int(port), decode_responses=True, **chosen)
    said = {"resp": int((await client.client_info())["resp"])}
    said["hmget"] = await client.hmget(f"{prefix}:row", "tier", "ctr_7d", "none")
    said["pipeline"] = await hundred(client.pipeline(transaction=False))
    said["transaction"] = await hundred(client.pipeline())
    try:
        await client.incr(f"{prefix}:counter")
    except redis.ResponseError as error:
        said["error"] = str(error)
    said["after"] = await client.get(f"{prefix}:text")
    await client.aclose()
    print(json.dumps(said))


asyncio.run(main())
