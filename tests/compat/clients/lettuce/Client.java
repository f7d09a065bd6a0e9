import io.lettuce.core.ClientOptions;
import io.lettuce.core.KeyValue;
import io.lettuce.core.LettuceFutures;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.RedisURI;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.api.async.RedisAsyncCommands;
import io.lettuce.core.api.sync.RedisCommands;
import io.lettuce.core.protocol.ProtocolVersion;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/** Lettuce over Netty: a pipeline is asynchronous commands flushed together. */
class Client {
    public static void main(String[] args) throws Exception {
        String prefix = args[2];
        RedisClient client = RedisClient.create(RedisURI.create(args[0], Integer.parseInt(args[1])));
        if (!args[3].equals("default")) {
            ProtocolVersion version = args[3].equals("3") ? ProtocolVersion.RESP3 : ProtocolVersion.RESP2;
            client.setOptions(ClientOptions.builder().protocolVersion(version).build());
        }
        StatefulRedisConnection<String, String> connection = client.connect();
        RedisCommands<String, String> commands = connection.sync();

        String resp = commands.clientInfo().split(" resp=")[1].substring(0, 1);
        List<KeyValue<String, String>> row = commands.hmget(prefix + ":row", "tier", "ctr_7d", "none");
        String hmget = json(row.stream().map(field -> field.getValueOrElse(null)).collect(Collectors.toList()));

        connection.setAutoFlushCommands(false);
        List<RedisFuture<?>> futures = hundred(connection.async(), prefix);
        connection.flushCommands();
        connection.setAutoFlushCommands(true);
        LettuceFutures.awaitAll(Duration.ofSeconds(10), futures.toArray(new RedisFuture[0]));
        List<Object> piped = new ArrayList<>();
        for (RedisFuture<?> future : futures) {
            piped.add(future.get());
        }

        commands.multi();
        hundred(connection.async(), prefix);
        List<Object> executed = commands.exec().stream().collect(Collectors.toList());
        String error = null;
        try {
            commands.incr(prefix + ":counter");
        } catch (RedisCommandExecutionException refused) {
            error = refused.getMessage();
        }
        String after = commands.get(prefix + ":text");
        client.shutdown();
        System.out.printf(
                "{\"resp\":%s,\"hmget\":%s,\"pipeline\":%s,\"transaction\":%s,\"error\":%s,\"after\":%s}%n",
                resp, hmget, json(piped), json(executed), json(error), json(after));
    }

    /** HSET answers true where the field is new, as the integer 1. */
    static List<RedisFuture<?>> hundred(RedisAsyncCommands<String, String> commands, String prefix) {
        List<RedisFuture<?>> futures = new ArrayList<>();
        for (int number = 0; number < 50; number++) {
            futures.add(commands.hset(prefix + ":" + number, "n", Integer.toString(number)));
            futures.add(commands.hget(prefix + ":" + number, "n"));
        }
        return futures;
    }

    static String json(Object value) {
        if (value instanceof List<?> list) {
            return list.stream().map(Client::json).collect(Collectors.joining(",", "[", "]"));
        }
        if (value instanceof Boolean isNew) {
            return isNew ? "1" : "0";
        }
        return value == null || value instanceof Number ? String.valueOf(value) : "\"" + value + "\"";
    }
}
