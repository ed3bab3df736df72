"""TLS, logins, and that a secret is nowhere but in its file."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge_agent.config import MqttSink
from edge_agent.sinks.mqtt_client import MqttLink
from edge_agent.spool.record import Kind, encode
from edge_agent.uplink.link import LinkError

if TYPE_CHECKING:
    from tests.integration.mqtt.conftest import Broker, Device

Wait = Callable[[Callable[[], object], str], None]
SECRET = "s3cret-Zebra"


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """Return a folder with an authority, a certificate of the broker, one of a device, and another authority."""
    folder = tmp_path / "certificates"
    folder.mkdir()

    def openssl(*arguments: str) -> None:
        subprocess.run(("openssl", *arguments), cwd=folder, check=True, capture_output=True)

    for name in ("ca", "stranger"):
        _key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        openssl(
            *("req", "-x509", *_key, "-keyout", f"{name}.key", "-out", f"{name}.pem"),
            *("-subj", f"/CN={name}", "-days", "30"),
        )
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("broker", "device"):
        openssl(
            *("req", *_key, "-keyout", f"{name}.key", "-out", f"{name}.csr"),
            *("-subj", f"/CN={name}"),
        )
        openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key"),
            *("-CAcreateserial", "-out", f"{name}.pem", "-days", "30", "-extfile", "names"),
        )
    return folder


@pytest.fixture
def make_secure(
    tmp_path: Path, make_broker: Callable[..., Broker], certificates: Path
) -> Callable[..., Broker]:
    """Return a function that starts a broker with TLS that lets only the user `gait` in."""
    passwords = tmp_path / "passwords"
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", str(passwords), "gait", SECRET],
        check=True,
        capture_output=True,
    )

    def make(*settings: str) -> Broker:
        return make_broker(
            f"cafile {certificates / 'ca.pem'}",
            f"certfile {certificates / 'broker.pem'}",
            f"keyfile {certificates / 'broker.key'}",
            "allow_anonymous false",
            f"password_file {passwords}",
            *settings,
        )

    return make


def open_link(sink: MqttSink) -> None:
    """Connect and leave."""
    link = MqttLink(sink, client_id="test", will=("will", b"{}"))
    try:
        link.open()
    finally:
        link.close(farewell=True)


def test_the_whole_way_with_tls_and_a_login(
    tmp_path: Path,
    make_secure: Callable[..., Broker],
    make_device: Callable[..., Device],
    certificates: Path,
    wait: Wait,
) -> None:
    """The records arrive, with a certificate of the device's own; the secret stands in no file, log or argument."""
    broker = make_secure("require_certificate true")
    (tmp_path / "password").write_text(f"{SECRET}\n")
    device = make_device(
        url=f"mqtts://127.0.0.1:{broker.port}",
        user="gait",
        password_file=str(tmp_path / "password"),
        ca_file=str(certificates / "ca.pem"),
        cert_file=str(certificates / "device.pem"),
        key_file=str(certificates / "device.key"),
    )
    spool = device.spool()
    spool.put([(Kind.EVENT, encode({"type": "event", "label": "walk"}))], 0.0)
    spool.close(0.0)
    uplink = device.start()
    wait(lambda: device.report.get("link") == "online", "the connection")
    arguments = Path(f"/proc/{uplink.pid}/cmdline").read_bytes()
    memory = Path(f"/proc/{uplink.pid}/status").read_text().partition("VmHWM:")[2].split()[0]
    uplink.terminate()
    assert uplink.wait(10) == 0

    assert device.report["sent"] == 1
    assert int(memory) * 1024 < 30_000_000, "the uplink with TLS has outgrown its budget"
    places = [path for path in device.folder.rglob("*") if path.is_file()]
    assert {"log", "uplink.json", "agent.json"} <= {path.name for path in places}
    assert not [path for path in places if SECRET.encode() in path.read_bytes()]
    assert SECRET.encode() not in arguments


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"password": "wrong-Zebra"}, "the broker refuses: Not authorized"),
        ({"password": ""}, "is empty"),
        ({"password": "no-user-Zebra", "user": None}, "names no user"),
        ({"password": b"\xff\xfeZebra"}, "is no UTF-8 text"),
        ({"password_file": "/nowhere/password"}, "cannot read the password file"),
        ({"password_file": "credential:mqtt"}, "`LoadCredential=mqtt:PATH`"),
        ({"ca_file": "stranger.pem"}, "the broker's certificate: "),
        ({"ca_file": None}, "the broker's certificate: "),
        ({"ca_file": "nothing.pem"}, "nothing.pem`: No such file"),
        ({"ca_file": "device.key"}, "cannot use the certificate"),
        ({"cert_file": "device.pem", "key_file": "ca.key"}, "cannot use `"),
        ({"host": "localhost"}, "the broker's certificate: Hostname mismatch"),
    ],
)
def test_a_connection_that_is_refused(
    tmp_path: Path,
    make_secure: Callable[..., Broker],
    certificates: Path,
    changes: dict[str, str | bytes | None],
    says: str,
) -> None:
    """The reason is named, and no part of the password file's content."""
    broker = make_secure()
    password = changes.pop("password", SECRET)
    path = tmp_path / "password"
    path.write_bytes(password if isinstance(password, bytes) else str(password).encode())
    host = changes.pop("host", "127.0.0.1")
    keys: dict[str, str | None] = {
        "user": "gait",
        "password_file": str(path),
        "ca_file": "ca.pem",
        **{key: None if value is None else str(value) for key, value in changes.items()},
    }
    for key in ("ca_file", "cert_file", "key_file"):
        if keys.get(key):
            keys[key] = str(certificates / str(keys[key]))
    sink = MqttSink(kind="mqtt", url=f"mqtts://{host!s}:{broker.port}", **keys)  # type: ignore[arg-type]

    with pytest.raises(LinkError) as caught:
        open_link(sink)

    assert says in str(caught.value)
    assert "Zebra" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_user_and_password_from_a_credential(
    tmp_path: Path,
    make_secure: Callable[..., Broker],
    certificates: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As systemd passes them on: `user:password` in a folder that only the service can read."""
    broker = make_secure()
    (tmp_path / "login").write_text(f"gait:{SECRET}\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    open_link(
        MqttSink(
            kind="mqtt",
            url=f"mqtts://127.0.0.1:{broker.port}",
            password_file="credential:login",
            ca_file=str(certificates / "ca.pem"),
        )
    )
