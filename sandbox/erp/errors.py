"""Refusals in the shape that SAP Gateway gives them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from uuid import uuid4


@dataclass(slots=True)
class Answer:
    """What a request came to, whether it came alone or in a batch."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json;charset=utf-8"})


class SapError(Exception):
    """`code` is message class and number; further messages go to `errordetails`."""

    def __init__(self, status: int, code: str, message: str, *, target: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.target = status, code, message, target

    def answer(self) -> Answer:
        details = [
            {
                "code": self.code,
                "message": self.message,
                "propertyref": "",
                "severity": "error",
                "transition": False,
                "target": self.target,
            }
        ]
        inner = {
            "application": {
                "component_id": "SD-SLS",
                "service_namespace": "/SAP/",
                "service_id": "API_SALES_ORDER_SRV",
                "service_version": "0001",
            },
            "transactionid": uuid4().hex.upper(),
            "timestamp": "",
            "Error_Resolution": {"SAP_Transaction": "Run transaction /IWFND/ERROR_LOG on the gateway system"},
            "errordetails": details,
        }
        error = {"code": self.code, "message": {"lang": "en", "value": self.message}, "innererror": inner}
        return Answer(self.status, json.dumps({"error": error}).encode())


def not_found(what: str) -> SapError:
    return SapError(404, "/IWBEP/CM_MGW_RT/020", f"Resource not found for segment '{what}'")


def bad_request(message: str) -> SapError:
    return SapError(400, "/IWFND/CM_MGW/500", message)


def not_implemented(message: str) -> SapError:
    return SapError(501, "/IWFND/CM_MGW/501", message)
