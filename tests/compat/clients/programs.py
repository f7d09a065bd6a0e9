"""Every client that is tried, in the versions that docs/clients.md lists."""

import sys
from pathlib import Path

from compat.clients.program import CLIENTS, Program
from compat.clients.toolchain import GO, JAVA, NODE, RUST

COPY_JARS = ("mvn", "-q", "-B", "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies")


def python_program(name: str, folder: Path, requirements: str, script: str, resp: int, slow: bool) -> Program:
    """Packages of its own, none of the tests' (-S)."""
    install = (sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-compile")
    return Program(
        name,
        folder,
        prepare=((*install, "--target", "lib", "-r", requirements),),
        command=(sys.executable, "-S", f"{{home}}/{script}"),
        environment={"PYTHONPATH": "{home}/lib"},
        resp=resp,
        slow=slow,
    )


def redis_py(version: str, script: str, resp: int) -> Program:
    """redis-py, by the file of requirements of one major version."""
    kind = script.removesuffix(".py")
    requirements = f"requirements-{version.split('.')[0]}.txt"
    return python_program(f"redis-py {version} {kind}", CLIENTS / "redis_py", requirements, script, resp, slow=False)


def node_program(name: str, folder: str) -> Program:
    """Packages by their lock file."""
    install = ("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
    return Program(name, CLIENTS / folder, (install,), ("node", "{home}/client.mjs"), NODE, slow=False)


def java_program(name: str, folder: str, *properties: str, resp: int) -> Program:
    """Jars by Maven, the one class by javac."""
    return Program(
        name,
        CLIENTS / folder,
        prepare=(
            (*COPY_JARS, "-DoutputDirectory=lib", *properties),
            ("javac", "-nowarn", "-cp", "lib/*", "-d", "classes", "Client.java"),
        ),
        command=("java", "-cp", "{home}/classes:{home}/lib/*", "Client"),
        toolchain=JAVA,
        resp=resp,
    )


PROGRAMS = (
    redis_py("8.1.0", "blocking.py", resp=3),
    redis_py("8.1.0", "asynchronous.py", resp=3),
    redis_py("7.4.1", "blocking.py", resp=2),
    redis_py("7.4.1", "asynchronous.py", resp=2),
    python_program("valkey-glide 2.6.0", CLIENTS / "valkey_glide", "requirements.txt", "client.py", resp=3, slow=True),
    node_program("node-redis 6.3.1", "node_redis"),
    node_program("ioredis 6.0.0", "ioredis"),
    Program("go-redis 9.22.0", CLIENTS / "go_redis", (("go", "build", "-o", "client", "."),), ("{home}/client",), GO),
    java_program("jedis 7.5.3", "jedis", "-Djedis.version=7.5.3", resp=2),
    java_program("jedis 8.0.2", "jedis", "-Djedis.version=8.0.2", resp=3),
    java_program("lettuce 7.7.0", "lettuce", resp=3),
    Program(
        "redis-rs 1.6.0",
        CLIENTS / "redis_rs",
        (("cargo", "build", "--quiet", "--locked"),),
        ("{home}/target/debug/redis-rs-client",),
        RUST,
        resp=2,
    ),
)
