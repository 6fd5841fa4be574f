"""What an archived run says of itself in a notebook: which run a record belongs to, and the packet that lies beside it."""

from __future__ import annotations

from pathlib import Path

from oairunbook.record import inert as safe
from oairunbook.record.archive import MANIFEST
from oairunbook.record.files import read_kept
from oairunbook.record.view import View, clean, inert, link, paragraph, together

PACKET_FILE = "packet.md"


def run_of(record: str) -> Path | None:
    """Folder of the archived run that this record lies in; *record* is its path, or that of its folder. None if it is in no run."""
    if not record:
        return None
    path = Path(record)
    folder = path if path.is_dir() else path.parent
    return folder if (folder / MANIFEST).is_file() else None


def packet_of(run: Path, *, linked: bool = True) -> View:
    """Where the packet of a run lies, with the packet folded below: to read, and as the Markdown that goes into a ticket.

    It is a link if *linked*, and if it lies below this kernel's folder, where JupyterLab can open it.
    """
    path = run / PACKET_FILE
    try:
        text = read_kept(path).decode("utf-8", "replace")
    except OSError as error:
        return paragraph(f"{path} cannot be read: {error.strerror}.")
    beside = linked and Path.cwd() in path.absolute().parents
    where = link(str(path), str(path.absolute().relative_to(Path.cwd()))) if beside else paragraph(str(path))
    copied = "\n".join(clean(line) for line in text.splitlines())
    folded = View(
        html='<div style="margin-bottom: 1em">'
        f"<details><summary>Read the packet here</summary>{safe.markdown(text, below=2)}</details>"
        f"<details><summary>Its Markdown, to copy into a ticket</summary>"
        f'<pre style="white-space: pre-wrap; overflow-wrap: anywhere; text-align: left">{inert(copied)}</pre></details></div>',
        text="",
    )
    told = paragraph("Hand over this packet. Look through it before it leaves your company.")
    return View(html=together(told, where, folded).html, text=together(told, where).text)
