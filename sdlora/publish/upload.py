"""The upload to the hub, by its own client and the login that is there. The token is never shown."""

from pathlib import Path
from typing import Any

from sdlora.errors import UserError
from sdlora.messages import say
from sdlora.publish.facts import HUB_ID


def repository(wish: str, name: str) -> str:
    """USER/NAME to publish to: the wish, or the person's own with the LoRA's name. UserError: no hub id, no login."""
    if wish and not HUB_ID.fullmatch(wish):
        raise UserError(say("publishing.no_hub_id", name=repr(wish)), fix=say("publishing.write_repo"))
    return wish or _told(lambda api: f"{api.whoami()['name']}/{name}", name)


def upload(folder: Path, files: list[str], repo: str, private: bool) -> str:
    """Put the files of a folder into a model repository, which is made if it is not there; its address.

    One commit: all of it arrives or nothing. UserError: no login, no permission, no network.
    """

    def put(api: Any) -> str:
        address = api.create_repo(repo, private=private, exist_ok=True)
        message = "Upload a LoRA with its card"
        api.upload_folder(repo_id=repo, folder_path=folder, allow_patterns=files, commit_message=message)
        return str(address)

    return _told(put, repo)


def _told(work: Any, repo: str) -> Any:
    """What ``work`` gives for a client that is logged in; its errors in our words, which never hold the token."""
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    token = get_token()
    if not token:
        raise UserError(say("publishing.not_logged_in"), fix=say("publishing.log_in"))
    try:
        return work(HfApi(token=token, library_name="sdlora"))
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        if status in (401, 403):
            fix = say("publishing.token_that_writes")
            raise UserError(say("publishing.not_allowed", repo=repo, status=status), fix=fix) from None
        what = say("publishing.hub_refused", repo=repo, status=status)
        raise UserError(what, fix=say("publishing.try_later")) from None
    except OfflineModeIsEnabled:
        raise UserError(say("publishing.offline"), fix=say("publishing.unset_offline")) from None
    except Exception as error:  # no network, in whatever words the hub's HTTP library of the day has for it
        what = say("publishing.failed", repo=repo, reason=type(error).__name__)
        raise UserError(what, fix=say("publishing.check_connection")) from None
