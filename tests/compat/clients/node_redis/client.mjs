// node-redis: commands of one tick leave as one pipeline.
import { createClient } from 'redis';

const [host, port, prefix, protocol] = process.argv.slice(2);
const chosen = protocol === 'default' ? {} : { RESP: Number(protocol) };
const client = createClient({ socket: { host, port: Number(port) }, ...chosen });
await client.connect();

function hundred(batch) {
  for (let number = 0; number < 50; number++) {
    batch.hSet(`${prefix}:${number}`, 'n', number);
    batch.hGet(`${prefix}:${number}`, 'n');
  }
  return batch;
}

const said = { resp: (await client.clientInfo()).resp };
said.hmget = await client.hmGet(`${prefix}:row`, ['tier', 'ctr_7d', 'none']);
said.pipeline = await hundred(client.multi()).execAsPipeline();
said.transaction = await hundred(client.multi()).exec();
try {
  await client.incr(`${prefix}:counter`);
} catch (error) {
  said.error = error.message;
}
said.after = await client.get(`${prefix}:text`);
await client.close();
console.log(JSON.stringify(said));
