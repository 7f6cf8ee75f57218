"""How runs stand, for a page that nobody looks at: its timer sleeps then, this address answers."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ui.shell.watch import LIVE, Watch
from ui.shell.zips import may_use

WHERE = "runs/states"  # the address, below the page's
MOST = 20  # runs that may be asked for


def states_route(watch: Watch) -> Route:
    """Answers ``runs/states?run=NAME&run=…``: {"runs": {folder: [name, state]}} of those and of all that train."""

    def answer(request: Request) -> Response:
        if not may_use(request):
            return JSONResponse({}, 401)
        watch.refresh()
        told: dict[str, list[str]] = {}
        for name in (*watch.names(), *request.query_params.getlist("run")[:MOST]):
            found = watch.get(name)
            if found and (found[1] in LIVE or name in request.query_params.getlist("run")):
                told[name] = [found[0].name, found[1]]
        return JSONResponse({"runs": told}, headers={"Cache-Control": "no-store"})

    return Route(f"/{WHERE}", answer, methods=["GET"])
