"""valkey-glide for Python: a Rust core under asyncio."""

import asyncio
import json
import sys

from glide import Batch, GlideClient, GlideClientConfiguration, NodeAddress, ProtocolVersion, RequestError

host, port, prefix, protocol = sys.argv[1:]
VERSIONS = {"2": ProtocolVersion.RESP2, "3": ProtocolVersion.RESP3}
chosen = {} if protocol == "default" else {"protocol": VERSIONS[protocol]}


def text(reply: object) -> object:
    if isinstance(reply, list):
        return [text(member) for member in reply]
    return reply.decode() if isinstance(reply, bytes) else reply


async def main() -> None:
    client = await GlideClient.create(GlideClientConfiguration([NodeAddress(host, int(port))], **chosen))

    async def hundred(is_atomic: bool) -> object:
        batch = Batch(is_atomic)
        for number in range(50):
            batch.hset(f"{prefix}:{number}", {"n": str(number)})
            batch.hget(f"{prefix}:{number}", "n")
        return text(await client.exec(batch, raise_on_error=True))

    info = (await client.custom_command(["CLIENT", "INFO"])).decode()
    said = {"resp": int(info.split(" resp=")[1].split()[0])}
    said["hmget"] = text(await client.hmget(f"{prefix}:row", ["tier", "ctr_7d", "none"]))
    said["pipeline"] = await hundred(is_atomic=False)
    said["transaction"] = await hundred(is_atomic=True)
    try:
        await client.incr(f"{prefix}:counter")
    except RequestError as error:
        said["error"] = str(error)
    said["after"] = text(await client.get(f"{prefix}:text"))
    await client.close()
    print(json.dumps(said))


asyncio.run(main())
