// ioredis: waits for INFO to say that the server is loaded before it sends a command.
import Redis from 'ioredis';

const [host, port, prefix, protocol] = process.argv.slice(2);
const chosen = protocol === 'default' ? {} : { protocol: Number(protocol) };
const client = new Redis(Number(port), host, chosen);

async function hundred(batch) {
  for (let number = 0; number < 50; number++) {
    batch.hset(`${prefix}:${number}`, 'n', number);
    batch.hget(`${prefix}:${number}`, 'n');
  }
  return (await batch.exec()).map(([error, reply]) => (error ? error.message : reply));
}

const said = { resp: Number(/ resp=(\d)/.exec(await client.client('INFO'))[1]) };
said.hmget = await client.hmget(`${prefix}:row`, 'tier', 'ctr_7d', 'none');
said.pipeline = await hundred(client.pipeline());
said.transaction = await hundred(client.multi());
try {
  await client.incr(`${prefix}:counter`);
} catch (error) {
  said.error = error.message;
}
said.after = await client.get(`${prefix}:text`);
said.quit = await client.quit();
console.log(JSON.stringify(said));
