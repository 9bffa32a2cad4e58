"""Runs a demo server on loopback while a block lasts. What it answers is not known here."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

START_SECONDS = 20


@contextlib.contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """The address of the app, such as http://127.0.0.1:43211, on a port that was free."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
        )
        # A thread cannot take signals, and Ctrl-C is for the run, not for its servers.
        server.capture_signals = contextlib.nullcontext
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            started = time.monotonic()
            while not server.started:
                if not thread.is_alive() or time.monotonic() - started > START_SECONDS:
                    raise RuntimeError("the demo server did not start")
                time.sleep(0.01)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(START_SECONDS)


class Paced:
    """Answers 429 where more requests come than the vendor lets through in so many seconds."""

    def __init__(self, app: ASGIApp, *, requests: int, seconds: float) -> None:
        self._app, self._requests, self._seconds = app, requests, seconds
        self._times: list[float] = []
        self.refused = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        now = time.monotonic()
        self._times = [then for then in self._times if now - then < self._seconds]
        if len(self._times) < self._requests:
            self._times.append(now)
            await self._app(scope, receive, send)
            return
        self.refused += 1
        wait = self._seconds - (now - self._times[0])
        response = JSONResponse(
            {"message": "rate limit exceeded"}, 429, {"Retry-After": str(max(1, round(wait)))}
        )
        await response(scope, receive, send)


def refused(request: Request, header: str, expected: str) -> Response | None:
    """The vendor's 401 where the header does not hold the key; None where it does."""
    if request.headers.get(header) == expected:
        return None
    return JSONResponse({"message": "unauthorized"}, 401)
