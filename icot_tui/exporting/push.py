"""Uploading an exported folder to the hub."""

from pathlib import Path
from typing import Literal

from icot_tui.errors import UserError

Kind = Literal["model", "dataset"]


def push_folder(folder: Path, name: str, kind: Kind = "model") -> str:
    """Upload a folder as a repository, which is made if it is not there; its address.

    Raises:
        UserError: the hub can't be reached, or refuses it; the folder stays as it is.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi()
    try:
        repository = api.create_repo(name, repo_type=kind, exist_ok=True)
        api.upload_folder(
            folder_path=folder,
            repo_id=repository.repo_id,
            repo_type=kind,
            commit_message="Exported by icot-tui",
        )
    except HfHubHTTPError as error:
        reason = (error.server_message or str(error)).splitlines()[0]
        raise UserError(f"the hub refuses {name}: {reason}; {folder} is there", 1) from error
    except Exception as error:  # its HTTP client's own, a bad name: the upload failed
        reason = str(error).splitlines()[0]
        raise UserError(f"{name} cannot be uploaded: {reason}; {folder} is there", 1) from error
    return str(repository)
