// go-redis.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	"github.com/redis/go-redis/v9"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func hundred(ctx context.Context, prefix string, pipeline redis.Pipeliner) []any {
	for number := 0; number < 50; number++ {
		key := fmt.Sprintf("%s:%d", prefix, number)
		pipeline.HSet(ctx, key, "n", number)
		pipeline.HGet(ctx, key, "n")
	}
	commands, err := pipeline.Exec(ctx)
	check(err)
	replies := make([]any, 0, len(commands))
	for _, command := range commands {
		switch answered := command.(type) {
		case *redis.IntCmd:
			replies = append(replies, answered.Val())
		case *redis.StringCmd:
			replies = append(replies, answered.Val())
		}
	}
	return replies
}

func main() {
	host, port, prefix, protocol := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	options := &redis.Options{Addr: host + ":" + port}
	if protocol != "default" {
		version, err := strconv.Atoi(protocol)
		check(err)
		options.Protocol = version
	}
	ctx := context.Background()
	client := redis.NewClient(options)
	said := map[string]any{}

	info, err := client.ClientInfo(ctx).Result()
	check(err)
	said["resp"] = info.Resp
	said["hmget"], err = client.HMGet(ctx, prefix+":row", "tier", "ctr_7d", "none").Result()
	check(err)
	said["pipeline"] = hundred(ctx, prefix, client.Pipeline())
	said["transaction"] = hundred(ctx, prefix, client.TxPipeline())
	if err := client.Incr(ctx, prefix+":counter").Err(); err != nil {
		said["error"] = err.Error()
	}
	said["after"], err = client.Get(ctx, prefix+":text").Result()
	check(err)
	check(client.Close())
	check(json.NewEncoder(os.Stdout).Encode(said))
}
