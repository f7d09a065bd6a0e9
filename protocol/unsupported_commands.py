"""Redis commands that are not served, by kind, and what to do instead. They answer as unknown commands do."""

from typing import Final

# (commands, why not and what to do instead)
UNSUPPORTED: Final = (
    (
        "INCR INCRBY INCRBYFLOAT DECR DECRBY HINCRBY HINCRBYFLOAT APPEND SETRANGE GETRANGE SUBSTR GETSET MSETNX LCS",
        "Read-modify-write in the cache would hide the origin's own value. Compute the feature in the pipeline and SET "
        "or HSET it; for GETSET use `SET key value GET`, for MSETNX use SETNX for each key.",
    ),
    (
        "KEYS RANDOMKEY",
        "They would walk the whole origin in one step. Use SCAN with MATCH.",
    ),
    (
        "HRANDFIELD",
        "Use HKEYS, or HSCAN for a large hash.",
    ),
    (
        "WATCH UNWATCH",
        "The origin offers no transaction over several documents. MULTI and EXEC run their commands together on this "
        "sidecar; use SETNX, HSETNX or SET with NX, XX and GET for conditions on one key.",
    ),
    (
        "EVAL EVALSHA EVAL_RO EVALSHA_RO SCRIPT FCALL FCALL_RO FUNCTION",
        "There are no scripts. redis-py's locks need them: keep locks in a Redis.",
    ),
    (
        "SUBSCRIBE UNSUBSCRIBE PSUBSCRIBE PUNSUBSCRIBE SSUBSCRIBE SUNSUBSCRIBE PUBLISH SPUBLISH PUBSUB MONITOR",
        "There is no message bus here. Use a Redis or a queue.",
    ),
    (
        "LPUSH LPUSHX RPUSH RPUSHX LPOP RPOP LLEN LRANGE LINDEX LINSERT LSET LREM LTRIM LPOS LMOVE LMPOP RPOPLPUSH "
        "BLPOP BRPOP BLMOVE BLMPOP BRPOPLPUSH",
        "There are no lists. Write a list feature as one value, for example JSON in a string or a hash field.",
    ),
    (
        "SADD SREM SCARD SMEMBERS SISMEMBER SMISMEMBER SRANDMEMBER SPOP SMOVE SSCAN SDIFF SDIFFSTORE SINTER SINTERCARD "
        "SINTERSTORE SUNION SUNIONSTORE",
        "There are no sets. Write a set feature as one value.",
    ),
    (
        "ZADD ZREM ZCARD ZCOUNT ZSCORE ZMSCORE ZINCRBY ZRANGE ZRANGEBYSCORE ZRANGEBYLEX ZRANGESTORE ZREVRANGE "
        "ZREVRANGEBYSCORE ZREVRANGEBYLEX ZRANK ZREVRANK ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREMRANGEBYLEX ZLEXCOUNT "
        "ZPOPMIN ZPOPMAX ZMPOP BZPOPMIN BZPOPMAX BZMPOP ZRANDMEMBER ZSCAN ZDIFF ZDIFFSTORE ZINTER ZINTERCARD "
        "ZINTERSTORE ZUNION ZUNIONSTORE",
        "There are no sorted sets. Rank in the pipeline and write the result as one value.",
    ),
    (
        "SETBIT GETBIT BITCOUNT BITFIELD BITFIELD_RO BITOP BITPOS PFADD PFCOUNT PFMERGE GEOADD GEODIST GEOHASH GEOPOS "
        "GEORADIUS GEORADIUS_RO GEORADIUSBYMEMBER GEORADIUSBYMEMBER_RO GEOSEARCH GEOSEARCHSTORE",
        "There are no bitmaps, sketches or positions. Write the computed feature.",
    ),
    (
        "XADD XLEN XRANGE XREVRANGE XREAD XREADGROUP XGROUP XINFO XACK XCLAIM XAUTOCLAIM XPENDING XDEL XTRIM XSETID",
        "There are no streams. Use a Redis or a queue.",
    ),
    (
        "RENAME RENAMENX COPY MOVE SWAPDB SORT SORT_RO DUMP RESTORE MIGRATE OBJECT",
        "Documents are not moved here. Read the value, write it under the new key, delete the old one.",
    ),
    (
        "CONFIG SET · CONFIG REWRITE · CONFIG RESETSTAT · ACL · DEBUG · MODULE · SHUTDOWN",
        "Configuration comes from flags, environment and files; the policy is reloaded when its file changes. Stop the "
        "process with SIGTERM or `POST /drain`.",
    ),
    (
        "CLIENT TRACKING · CLIENT CACHING · CLIENT PAUSE · CLIENT UNPAUSE · CLIENT REPLY · CLIENT UNBLOCK · "
        "CLIENT GETREDIR · CLIENT TRACKINGINFO · CLIENT HELP",
        "Leave client-side caching off in the client's options: it would not connect. The sidecar is that cache.",
    ),
    (
        "SAVE BGSAVE BGREWRITEAOF LASTSAVE REPLICAOF SLAVEOF ROLE PSYNC SYNC REPLCONF FAILOVER WAIT CLUSTER READONLY "
        "READWRITE ASKING TIME LOLWUT",
        "Durability and replication are the origin's. Watch it with its own tools.",
    ),
)
