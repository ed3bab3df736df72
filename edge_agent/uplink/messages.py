"""What is published: topics, messages with their ids, the heartbeat and the Last Will."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_agent.config import MqttSink
    from edge_agent.spool.record import Record

HEARTBEAT_KEYS = (
    *("release", "overlay", "state", "level", "uptime_s", "windows", "predictions", "events"),
    *("samples", "rate_hz_measured", "budget", "memory", "clock_synced"),
)
"""What is taken from the agent's status, where it has it."""
_UNSAFE = re.compile(
    "[/+#\0-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
    + "]"
)
"""Signs with a meaning in topics, and those that a broker may close the connection for (MQTT 3.1.1, 1.5.3)."""
_LONGEST_VALUE = 200
"""Characters of a label in a topic; the message has all of it."""


class Messages:
    """Makes the messages of one device and one sink."""

    def __init__(self, sink: MqttSink, *, name: str, version: str, device: str) -> None:
        self._topic = sink.topic
        self._who = {"name": name, "device": device}
        self._about = {"device": device, "name": name, "version": version}
        self._id = f"{device}/"
        self.status_topic = self._filled(sink.status_topic, "status", "status")

    def of(self, record: Record) -> tuple[str, bytes]:
        """
        Return topic and payload of a record: its JSON with `id`, `device/boot/seq`, in front.

        Raises ValueError for a payload that is no JSON object.
        """
        document = json.loads(record.payload)
        if not isinstance(document, dict):
            raise ValueError("no JSON object")  # noqa: TRY004 (what the caller is told of broken JSON as well)
        kind = str(document.get("type", "record"))
        event = kind
        if kind == "event":
            label = document.get("label")
            event = "none" if label is None else str(label)
        id_ = json.dumps(f"{self._id}{record.boot}/{record.seq}")
        rest = record.payload[1:] if document else b'"type":"record"}'
        return self._filled(self._topic, kind, event), b'{"id":%s,%s' % (id_.encode(), rest)

    def heartbeat(
        self, status: Mapping[str, Any] | None, status_age_s: float | None, spool: Mapping[str, Any]
    ) -> bytes:
        """Return the retained message that says that the uplink is connected, and how the agent does."""
        document: dict[str, Any] = {"link": "online", **self._about}
        if status is not None:
            document["agent"] = {key: status[key] for key in HEARTBEAT_KEYS if key in status}
        document["status_age_s"] = None if status_age_s is None else round(status_age_s, 1)
        document["spool"] = dict(spool)
        return json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace")

    def farewell(self, link: str) -> bytes:
        """Return the retained message for when the uplink is gone: `stopped` in good order, `offline` as the Last Will."""
        return json.dumps({"link": link, **self._about}).encode()

    def _filled(self, topic: str, kind: str, event: str) -> str:
        """Return a topic with its placeholders filled; what is filled in makes no level of its own."""
        values = {**self._who, "type": kind, "event": event}
        for key, value in values.items():
            topic = topic.replace(f"{{{key}}}", _UNSAFE.sub("_", value[:_LONGEST_VALUE]) or "_")
        # What begins with a dollar belongs to the broker, which acknowledges it and tells nobody.
        return f"_{topic[1:]}" if topic.startswith("$") else topic
