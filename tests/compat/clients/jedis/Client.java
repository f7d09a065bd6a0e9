import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Collectors;
import redis.clients.jedis.AbstractTransaction;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.Pipeline;
import redis.clients.jedis.Protocol;
import redis.clients.jedis.RedisClient;
import redis.clients.jedis.RedisProtocol;
import redis.clients.jedis.commands.PipelineCommands;
import redis.clients.jedis.exceptions.JedisDataException;

/** Jedis 7 and 8, pooled. */
class Client {
    public static void main(String[] args) {
        String prefix = args[2];
        DefaultJedisClientConfig.Builder config = DefaultJedisClientConfig.builder();
        if (!args[3].equals("default")) {
            config.protocol(args[3].equals("3") ? RedisProtocol.RESP3 : RedisProtocol.RESP2);
        }
        HostAndPort address = new HostAndPort(args[0], Integer.parseInt(args[1]));
        RedisClient client = RedisClient.builder().hostAndPort(address).clientConfig(config.build()).build();

        String info = text(client.sendCommand(Protocol.Command.CLIENT, "INFO"));
        String resp = info.split(" resp=")[1].substring(0, 1);
        String hmget = json(client.hmget(prefix + ":row", "tier", "ctr_7d", "none"));
        List<Object> piped;
        try (Pipeline pipeline = client.pipelined()) {
            hundred(pipeline, prefix);
            piped = pipeline.syncAndReturnAll();
        }
        List<Object> executed;
        try (AbstractTransaction transaction = client.multi()) {
            hundred(transaction, prefix);
            executed = transaction.exec();
        }
        String error = null;
        try {
            client.incr(prefix + ":counter");
        } catch (JedisDataException refused) {
            error = refused.getMessage();
        }
        String after = client.get(prefix + ":text");
        client.close();
        System.out.printf(
                "{\"resp\":%s,\"hmget\":%s,\"pipeline\":%s,\"transaction\":%s,\"error\":%s,\"after\":%s}%n",
                resp, hmget, json(piped), json(executed), json(error), json(after));
    }

    static void hundred(PipelineCommands batch, String prefix) {
        for (int number = 0; number < 50; number++) {
            batch.hset(prefix + ":" + number, "n", Integer.toString(number));
            batch.hget(prefix + ":" + number, "n");
        }
    }

    static String text(Object reply) {
        return reply instanceof byte[] bytes ? new String(bytes, StandardCharsets.UTF_8) : String.valueOf(reply);
    }

    static String json(Object value) {
        if (value instanceof List<?> list) {
            return list.stream().map(Client::json).collect(Collectors.joining(",", "[", "]"));
        }
        return value == null || value instanceof Number ? String.valueOf(value) : "\"" + value + "\"";
    }
}
