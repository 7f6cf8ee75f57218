"""A run's LoRA files as one zip: made while it is sent, so that it takes neither memory nor disk."""

from pathlib import Path
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from sdlora.errors import UserError, explain
from sdlora.runs.pack import packed_files, pieces
from sdlora.runs.run import list_runs

WHERE = "runs/zip"  # the address, below the page's


def zip_url(run: str) -> str:
    """The address of a run's zip, relative to the page; run: the folder's name."""
    return f"{WHERE}?run={quote(run, safe='')}"


def zip_route(runs: Path) -> Route:
    """Answers ``zip_url``: for whoever may use the page, and only for runs that are there."""

    def answer(request: Request) -> Response:
        if not may_use(request):
            return PlainTextResponse("", 401)
        name = request.query_params.get("run", "")
        run = next((run for run in list_runs(runs) if run.name == name), None)
        if run is None:
            return PlainTextResponse("", 404)
        try:
            files = packed_files(run)
        except (UserError, OSError) as error:
            return PlainTextResponse(str(explain(error)), 404)
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(run.name, safe='')}.zip"}
        return StreamingResponse(pieces(files), media_type="application/zip", headers=headers)

    return Route(f"/{WHERE}", answer, methods=["GET"])


def may_use(request: Request) -> bool:
    """Has this browser given the password, where there is one? As Gradio asks for its own addresses."""
    app = request.app
    if getattr(app, "auth", None) is None:
        return True
    cookies = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    return any(request.cookies.get(name) in app.tokens for name in cookies)
