"""A connection to an MQTT broker: the only module that knows paho."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Any

from edge_agent.errors import ToolError
from edge_agent.uplink.credentials import credential_path, read_login
from edge_agent.uplink.link import LinkError

if TYPE_CHECKING:
    from edge_agent.config import MqttSink

KEEPALIVE_S = 30
CONNECT_S = 15.0
"""How long a broker may take to agree; a black hole never does."""
AT_LEAST_ONCE = 1


class MqttLink:
    """
    MQTT 3.1.1 with QoS 1 and a clean session: what is not acknowledged stays in the spool, not in this library.

    `will` is topic and payload of the Last Will, which is retained.
    """

    def __init__(
        self,
        sink: MqttSink,
        *,
        client_id: str,
        will: tuple[str, bytes],
        keepalive_s: int = KEEPALIVE_S,
    ) -> None:
        """Raise ToolError if paho is not there."""
        self._paho = _load_paho()
        self._sink = sink
        self._client_id = client_id
        self._will = will
        self._keepalive_s = keepalive_s
        self._client: Any = None
        self._agreed = False
        self._refusal = ""
        self._acknowledged: list[int] = []

    def open(self) -> None:
        """Connect; return when the broker has agreed. Raises LinkError."""
        broker = self._sink.broker
        client = self._client = self._make_client()
        try:
            client.connect(broker.host, broker.port, keepalive=self._keepalive_s)
        except (OSError, ValueError) as error:  # ValueError: a host name that is none
            raise LinkError(_reason(error)) from None
        until_s = time.monotonic() + CONNECT_S
        while not self._agreed:
            self._turn(0.2)
            if self._refusal:
                raise LinkError(f"the broker refuses: {self._refusal}")
            if time.monotonic() >= until_s:
                raise LinkError(f"the broker has not answered for {CONNECT_S:g} s")

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Send a message that is to be acknowledged; return its number. Raises LinkError."""
        info = self._client.publish(topic, payload, qos=AT_LEAST_ONCE, retain=retain)
        if info.rc != self._paho.MQTT_ERR_SUCCESS:
            raise LinkError(self._paho.error_string(info.rc))
        return int(info.mid)

    def work(self, timeout_s: float) -> list[int]:
        """Send and receive; return the numbers of the messages that were acknowledged. Raises LinkError."""
        self._turn(timeout_s)
        acknowledged, self._acknowledged = self._acknowledged, []
        return acknowledged

    def close(self, *, farewell: bool) -> None:
        """End it; without a `farewell` the broker publishes the Last Will."""
        client, self._client = self._client, None
        if client is None:
            return
        socket = client.socket()
        if farewell:
            client.disconnect()
        client.on_disconnect = client.on_publish = client.on_connect = None
        if socket is not None:
            socket.close()

    def _make_client(self) -> Any:
        paho, sink = self._paho, self._sink
        client = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=True,
            reconnect_on_failure=False,
        )
        client.max_inflight_messages_set(0)  # without a limit: the forwarder has one
        login = read_login(sink)
        if login is not None:
            client.username_pw_set(*login)
        if sink.broker.tls:
            client.tls_set_context(_tls_context(sink))
        topic, payload = self._will
        client.will_set(topic, payload, qos=AT_LEAST_ONCE, retain=True)
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish
        return client

    def _turn(self, timeout_s: float) -> None:
        code = self._client.loop(timeout_s)
        if code != self._paho.MQTT_ERR_SUCCESS and not self._refusal:
            raise LinkError(self._paho.error_string(code))

    def _on_connect(
        self, _client: Any, _data: Any, _flags: Any, code: Any, _properties: Any
    ) -> None:
        if code.is_failure:
            self._refusal = str(code)
        else:
            self._agreed = True

    def _on_publish(
        self, _client: Any, _data: Any, number: int, _code: Any, _properties: Any
    ) -> None:
        self._acknowledged.append(number)


class _TlsSocket(ssl.SSLSocket):
    """Closes itself when the handshake fails: paho forgets it then, and the descriptor would stay open for a while."""

    def do_handshake(self, block: bool = False) -> None:
        """Agree on a key with the broker."""
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def _load_paho() -> Any:
    try:
        from paho.mqtt import client  # noqa: PLC0415 (the device has it only where a sink needs it)
    except ImportError:
        raise ToolError(
            "the mqtt sink needs the package paho-mqtt, which is not there",
            hint="build the bundle again with this sink in edgekit.toml; on the host `pip install paho-mqtt`",
        ) from None
    return client


def _tls_context(sink: MqttSink) -> ssl.SSLContext:
    """Return what the connection is checked with: certificate and name of the broker always are."""
    context = ssl.create_default_context() if sink.ca_file is None else _trusting(sink.ca_file)
    context.sslsocket_class = _TlsSocket
    if sink.cert_file is not None and sink.key_file is not None:
        certificate, key = credential_path(sink.cert_file), credential_path(sink.key_file)
        try:
            # without a password function a locked key would ask the terminal for one
            context.load_cert_chain(certificate, key, password=lambda: "")
        except (OSError, ValueError) as error:
            raise LinkError(f"cannot use `{certificate}` with `{key}`: {_reason(error)}") from None
    return context


def _trusting(ca_file: str) -> ssl.SSLContext:
    path = credential_path(ca_file)
    try:
        return ssl.create_default_context(cafile=path)
    except (OSError, ValueError) as error:
        raise LinkError(f"cannot use the certificate `{path}`: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """Say what went wrong in the words of whoever knows best."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the broker's certificate: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    return str(getattr(error, "strerror", None) or error)
