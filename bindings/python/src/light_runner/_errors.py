# SPDX-License-Identifier: MIT
from __future__ import annotations

from typing import Any, Dict, Mapping, Optional


class LightRunnerError(Exception):
    """light-runner failed. A command that fails is a result, not an error."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        self.code: str = str(error.get("code", "INTERNAL"))
        self.message: str = str(error.get("message", ""))
        self.hint: Optional[str] = error.get("hint")
        self.operation: Optional[str] = error.get("operation")
        self.container_id: Optional[str] = error.get("container")
        self.field: Optional[str] = error.get("field")
        #: What a call that removes things had done before it failed.
        self.counts: Optional[Dict[str, int]] = error.get("counts")
        super().__init__(f"{self.code}: {self.message}" + (f" ({self.hint})" if self.hint else ""))
