"""Object storage with the protocol of S3: SeaweedFS, or moto, which also imitates other services of AWS.

SeaweedFS consists of four programs, which run as one service (`infra_runtime.program_group`). The command
`weed server` runs them as one process, but waits two seconds at the start, does not exit after a SIGTERM, and
leaves sockets in /tmp after a SIGKILL.

Sources: SeaweedFS 4.48, `weed help master|volume|filer|s3`, `weed scaffold -config=security|master|filer`,
and `weed/command/server.go`; for the container `docker/entrypoint.sh` and `docker/Dockerfile.go_build`;
moto's documentation, "Server Mode".
"""

from __future__ import annotations

import json
import signal
from typing import Any, Literal

from pydantic import Field

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, ServiceSettings
from infra_runtime.contributions import Contributions
from infra_runtime.manifest import KINDS
from infra_runtime.spec import Container, HttpProbe, Secret, ServiceSpec, StopStep, WriteFile

IMAGE = "chrislusf/seaweedfs:4.48"
#: the access key of a server in a container
_CONTAINER_USER = "infra"

_PORTS = KINDS["s3"].ports


class S3Ports(Ports):
    client: Port = _PORTS["client"]
    #: the ports of the internal programs of SeaweedFS, to which clients do not connect
    client_grpc: Port = _PORTS["client_grpc"]
    filer: Port = _PORTS["filer"]
    filer_grpc: Port = _PORTS["filer_grpc"]
    volume: Port = _PORTS["volume"]
    volume_grpc: Port = _PORTS["volume_grpc"]
    master: Port = _PORTS["master"]
    master_grpc: Port = _PORTS["master_grpc"]


class S3Settings(ServiceSettings):
    ports: S3Ports = S3Ports()
    #: `moto` imitates most services of AWS and keeps all data in memory
    engine: Literal["seaweedfs", "moto"] = "seaweedfs"
    #: whether the processes, except the filer, are stopped with SIGTERM; if false, all are stopped with
    #: SIGKILL
    durable: bool = True
    #: the name of the region, for clients; it has no effect on the server
    region: str = "us-east-1"
    #: the number of identities `test1`, `test2`, … for the plugin's tests, each with separate buckets
    accounts: int = Field(0, ge=0, le=1000)


def s3(settings: S3Settings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of the object storage: SeaweedFS, or moto."""
    return _moto(settings) if settings.engine == "moto" else _seaweedfs(settings)


def _seaweedfs(settings: S3Settings) -> ServiceSpec:
    internal = '[{}]\nkey = "${{secret.internal}}"\n'
    signed = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
    group = {"host": "${host}", "programs": _programs(settings)}
    tests = {"accounts": str(settings.accounts), "accounts_key": "${secret.accounts}"}
    return ServiceSpec(
        name="s3",
        # With -P, Python does not import files of the working directory, which is the data folder.
        command=("${bin.python}", "-P", "-m", "infra_runtime.program_group", "${data}/programs.json"),
        prepare=(
            Secret(path="${data}/access.secret"),
            Secret(path="${data}/key.secret"),
            Secret(path="${data}/internal.secret"),
            *((Secret(path="${data}/accounts.secret"),) if settings.accounts else ()),
            WriteFile(path="${data}/programs.json", text=json.dumps(group), json=True),
            WriteFile(path="${data}/s3.json", text=json.dumps(_identities(settings)), json=True),
            # The programs read these files in the working directory. Otherwise, they would read files in the
            # home directory.
            WriteFile(path="${data}/security.toml", text="".join(internal.format(key) for key in signed)),
            # SeaweedFS creates one volume for each bucket, instead of seven.
            WriteFile(path="${data}/master.toml", text="[master.volume_growth]\ncopy_1 = 1\n"),
            WriteFile(path="${data}/filer.toml", text='[leveldb2]\nenabled = true\ndir = "./filer"\n'),
        ),
        env=settings.env,
        ports=settings.port_map(),
        # `/healthz` returns 200 in every state. The response to a request without a signature shows that keys
        # are checked.
        ready=HttpProbe(port="client", path="/", status=(403, 403), contains="<Code>AccessDenied</Code>"),
        exports={**_exports(settings), **(tests if settings.accounts else {})},
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        stop=(StopStep(seconds=30.0, group=False),)
        if settings.durable
        else (StopStep(signal=signal.SIGKILL, seconds=5.0),),
        restart=settings.restart,
        container=_container(settings),
    )


def _container(settings: S3Settings) -> Container:
    """Return the container, whose program reads the keys from the variables of AWS.

    The container does not use the entry point of the image, because Compose has to read the secret key from a
    file before the program starts. Therefore, the command contains the options that the entry point would
    set.
    """
    return Container(
        image=settings.image or IMAGE,
        uid=65532,
        entrypoint=("/usr/bin/weed",),
        command=(
            *("server", "-dir=/data", "-volume.max=0", "-master.volumeSizeLimitMB=1024"),
            *("-master.telemetry=false", "-disableHttp"),
            *("-s3", "-s3.port.iceberg=0", "-s3.port.lance=0"),
            *("-s3.autoCreateBucket=false", "-s3.allowDeleteBucketNotEmpty=false"),
        ),
        env={
            **settings.env,
            "AWS_ACCESS_KEY_ID": _CONTAINER_USER,
            "AWS_SECRET_ACCESS_KEY": "${secret.key}",
        },
        secret_files={"S3_SECRET_KEY_FILE": "key"},
        exports={"access_key": _CONTAINER_USER},
        data="/data",
        ports=_IMAGE_PORTS,
        health=("wget", "-q", "-O", "/dev/null", "http://127.0.0.1:${port.client}/healthz"),
    )


_IMAGE_PORTS = {
    "client": 8333, "client_grpc": 18333, "filer": 8888, "filer_grpc": 18888,
    "volume": 8080, "volume_grpc": 18080, "master": 9333, "master_grpc": 19333,
}  # fmt: skip


def _exports(settings: S3Settings) -> dict[str, str]:
    return {
        "url": "http://${host}:${port.client}",
        "host": "${host}",
        "port": "${port.client}",
        "access_key": "${secret.access}",
        "secret_key": "${secret.key}",
        "region": settings.region,
    }


def _programs(settings: S3Settings) -> list[dict[str, Any]]:
    """Return the programs of SeaweedFS in the format of a program group, in the order of their start."""
    master, filer = (f"${{host}}:${{port.{name}}}.${{port.{name}_grpc}}" for name in ("master", "filer"))
    after_master = ["${port.master_grpc}"]
    return [
        _program(
            "master",
            "-peers=none",
            "-mdir=./master",
            "-telemetry=false",
            f"-volumeSizeLimitMB={1024 if settings.durable else 64}",
            # Web pages can send requests to the port. The plugin uses it in tests, with a random number.
            *(() if settings.accounts else ("-disableHttp",)),
        ),
        # A volume is a file whose size grows when it is needed; the largest number of volumes limits only the
        # number of buckets.
        _program(
            "volume",
            *("-dir=.", "-max=10000", "-preStopSeconds=0"),
            f"-master={master}",
            after=after_master,
        ),
        _program(
            "filer",
            *(f"-master={master}", "-localSocket=${run}/filer.sock"),
            after=after_master,
            # After a SIGTERM, the program would wait ten seconds for its own connections. SIGKILL loses no
            # data, because all writes are in its log file.
            stop="SIGKILL",
        ),
        _program(
            "s3",
            *(f"-filer={filer}", "-config=./s3.json", "-localSocket=${run}/s3.sock"),
            *("-port.iceberg=0", "-port.lance=0"),
            # As in AWS, requests for a missing bucket and the deletion of a bucket with objects are errors.
            *("-autoCreateBucket=false", "-allowDeleteBucketNotEmpty=false"),
            port="client",
            after=["${port.filer_grpc}", "${port.volume_grpc}"],
        ),
    ]


def _program(
    name: str, *arguments: str, port: str = "", after: list[str] | None = None, stop: str = "SIGTERM"
) -> dict[str, Any]:
    port = port or name
    bind = ("-ip=${host}", "-ip.bind=${host}") if port == name else ("-ip.bind=${host}",)
    ports = (f"-port=${{port.{port}}}", f"-port.grpc=${{port.{port}_grpc}}")
    return {
        "name": name,
        "command": ["${bin.weed}", "-logtostderr=true", name, *bind, *ports, *arguments],
        "after": after or [],
        "stop": stop,
    }


def _identities(settings: S3Settings) -> dict[str, Any]:
    """Return the users of SeaweedFS. The user `test1` for tests can use the buckets `test1-…`."""
    tests = [
        _identity(f"test{number}", "${secret.accounts}", f"Admin:test{number}-*")
        for number in range(1, settings.accounts + 1)
    ]
    return {"identities": [_identity("${secret.access}", "${secret.key}"), *tests]}


def _identity(access: str, key: str, action: str = "Admin") -> dict[str, Any]:
    return {
        "name": access,
        "credentials": [{"accessKey": access, "secretKey": key}],
        "actions": [action],
    }


def _moto(settings: S3Settings) -> ServiceSpec:
    """Return the spec of moto, which accepts every key."""
    return ServiceSpec(
        name="s3",
        command=("${bin.moto}", "-P", "-m", "moto.server", "-H", "${host}", "-p", "${port.client}"),
        prepare=(Secret(path="${data}/access.secret"), Secret(path="${data}/key.secret")),
        env=settings.env,
        ports={"client": settings.port_map()["client"]},
        ready=HttpProbe(port="client", path="/", contains="<ListAllMyBucketsResult"),
        exports={
            **_exports(settings),
            "endpoint_url": "http://${host}:${port.client}",
            # Each test gets an account of AWS with a random number.
            "accounts": "unlimited",
        },
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        stop=(StopStep(signal=signal.SIGKILL, seconds=5.0),),
        restart=settings.restart,
        container=Container(
            problem="the engine moto keeps its data in memory and accepts every access key; "
            'set `engine = "seaweedfs"`, or write a service of your own with an image'
        ),
    )


ENTRY = Entry(
    settings=S3Settings,
    make=s3,
    binaries=(
        Binary(name="weed"),
        # The interpreter of this environment, which has the library.
        Binary(name="moto", module="moto", extra="moto", optional=True),
    ),
    defaults={"test": {"durable": False, "accounts": 64}},
)
