//! redis-rs, blocking.

use redis::{Commands, Pipeline, RedisResult, Value};

fn hundred(pipeline: &mut Pipeline, prefix: &str) {
    for number in 0..50 {
        pipeline.hset(format!("{prefix}:{number}"), "n", number);
        pipeline.hget(format!("{prefix}:{number}"), "n");
    }
}

fn json(value: &Value) -> String {
    match value {
        Value::Nil => "null".into(),
        Value::Int(number) => number.to_string(),
        Value::BulkString(bytes) => format!("\"{}\"", String::from_utf8_lossy(bytes)),
        Value::Array(members) => format!("[{}]", members.iter().map(json).collect::<Vec<_>>().join(",")),
        other => format!("\"{other:?}\""),
    }
}

fn main() -> RedisResult<()> {
    let args: Vec<String> = std::env::args().collect();
    let (host, port, prefix, protocol) = (&args[1], &args[2], &args[3], &args[4]);
    let chosen = if protocol == "default" { String::new() } else { format!("?protocol=resp{protocol}") };
    let client = redis::Client::open(format!("redis://{host}:{port}/{chosen}"))?;
    let mut connection = client.get_connection()?;

    let info: String = redis::cmd("CLIENT").arg("INFO").query(&mut connection)?;
    let resp = info.split(" resp=").nth(1).and_then(|rest| rest.chars().next()).unwrap_or('?');
    let hmget: Value = connection.hmget(format!("{prefix}:row"), &["tier", "ctr_7d", "none"])?;
    let mut pipeline = redis::pipe();
    hundred(&mut pipeline, prefix);
    let piped: Value = pipeline.query(&mut connection)?;
    let mut transaction = redis::pipe();
    hundred(transaction.atomic(), prefix);
    let executed: Value = transaction.query(&mut connection)?;
    let refused: RedisResult<i64> = connection.incr(format!("{prefix}:counter"), 1);
    let error = refused.err().map_or("null".into(), |error| format!("\"{}\"", error.to_string().replace('"', "'")));
    let after: Value = connection.get(format!("{prefix}:text"))?;
    drop(connection);
    println!(
        "{{\"resp\":{resp},\"hmget\":{},\"pipeline\":{},\"transaction\":{},\"error\":{error},\"after\":{}}}",
        json(&hmget), json(&piped), json(&executed), json(&after)
    );
    Ok(())
}
