"""The parent's side of the pipe: keeps each cell's outputs as a kernel's client would, within fixed limits.

Streams of one name run together, `clear_output` and `update_display` do what they do in JupyterLab, and what goes over
a limit is left out with one marker in its place, so that neither memory nor the saved notebook can grow without end.
"""

import json
from typing import Any

CELL_BYTES = 10_000_000
"""Outputs kept of one cell, characters of JSON."""
RUN_BYTES = 60_000_000
"""Outputs kept of one run."""
N_OUTPUTS = 10_000
"""Separate outputs kept of one cell."""


class Outputs:
    """The outputs of one run, cell by cell.

    Parameters
    ----------
    cell_bytes, run_bytes : int, characters of JSON
        What is kept of one cell and of the whole run.
    """

    def __init__(self, *, cell_bytes: int = CELL_BYTES, run_bytes: int = RUN_BYTES) -> None:
        self._cell_bytes = cell_bytes
        self._run_left = run_bytes
        self._cell: dict[str, Any] = {"outputs": []}
        self._left = cell_bytes
        self._clear_next = False
        self._marked = False
        self._shown: dict[str, list[dict[str, Any]]] = {}
        self._sizes: dict[int, int] = {}
        self.truncated = False

    def begin(self, cell: dict[str, Any]) -> None:
        """Take a code cell as the one that runs."""
        cell["outputs"] = []
        self._cell = cell
        self._left = self._cell_bytes
        self._clear_next = False
        self._marked = False

    def take(self, event: dict[str, Any]) -> None:
        """Keep what one event shows.

        Parameters
        ----------
        event : dict
            With the key ``e``: stream, display, result, error, clear or dropped. Others are passed over.
        """
        kind = event.get("e")
        if kind == "stream":
            self.text(str(event.get("name")), str(event.get("text")))
        elif kind == "display" and event.get("update"):
            self._update(event)
        elif kind == "display":
            output = {"output_type": "display_data", "data": event["data"], "metadata": event["metadata"]}
            self._keep(output, event.get("id"))
        elif kind == "result":
            self._keep(
                {
                    "output_type": "execute_result",
                    "data": event["data"],
                    "metadata": event["metadata"],
                    "execution_count": event["count"],
                }
            )
        elif kind == "error":
            self._keep({"output_type": "error", **{k: event[k] for k in ("ename", "evalue", "traceback")}}, always=True)
        elif kind == "clear":
            if event.get("wait"):
                self._clear_next = True
            else:
                self._clear()
        elif kind == "dropped":
            self._mark()

    def text(self, name: str, text: str) -> None:
        """Keep text of a stream, joined to what the same stream showed last."""
        if self._clear_next:
            self._clear()
        room = min(self._left, self._run_left)
        kept = text[:room] if room > 0 else ""
        if kept:
            self._left -= len(kept)
            self._run_left -= len(kept)
            outputs = self._cell["outputs"]
            last = outputs[-1] if outputs else {}
            if last.get("output_type") == "stream" and last.get("name") == name:
                last["parts"].append(kept)
                self._sizes[id(last)] += len(kept)
            elif len(outputs) < N_OUTPUTS:
                output = {"output_type": "stream", "name": name, "parts": [kept]}
                outputs.append(output)
                self._sizes[id(output)] = len(kept)
            else:
                self._mark()
        if len(kept) < len(text):
            self._mark()

    def _keep(self, output: dict[str, Any], display_id: Any = None, *, always: bool = False) -> None:
        if self._clear_next:
            self._clear()
        size = len(json.dumps(output))
        outputs = self._cell["outputs"]
        fits = size <= min(self._left, self._run_left) and len(outputs) < N_OUTPUTS
        if not fits and not (always and size < 1_000_000):  # why a cell failed is told even when the cell is full
            self._mark()
            return
        self._left -= size
        self._run_left -= size
        self._sizes[id(output)] = size
        outputs.append(output)
        if isinstance(display_id, str):
            self._shown.setdefault(display_id, []).append(output)

    def _update(self, event: dict[str, Any]) -> None:
        for output in self._shown.get(str(event.get("id")), []):
            before = self._sizes.get(id(output), 0)
            size = len(json.dumps(event["data"]))
            if size - before > self._run_left:
                self._mark()
                continue
            self._run_left -= size - before
            self._sizes[id(output)] = size
            output["data"], output["metadata"] = event["data"], event["metadata"]

    def _clear(self) -> None:
        self._clear_next = False
        outputs = self._cell["outputs"]
        # An output that is still known by its display id may be updated and must not be counted twice.
        gone = sum(self._sizes.pop(id(o), 0) for o in outputs)
        alive = {id(o) for o in outputs}
        for known in self._shown.values():
            known[:] = [o for o in known if id(o) not in alive]
        outputs.clear()
        self._left += gone
        self._run_left += gone
        self._marked = False

    def _mark(self) -> None:
        self.truncated = True
        if self._marked:
            return
        self._marked = True
        text = (
            f"\n[Fælleslab: cellen viste mere, end der gemmes (højst {self._cell_bytes // 1_000_000} MB pr. celle og "
        )
        text += "en fast grænse for hele kørslen). Resten er udeladt.]\n"
        self._cell["outputs"].append({"output_type": "stream", "name": "stderr", "parts": [text]})


def joined(cell: dict[str, Any]) -> None:
    """Join the parts of a cell's streams to the text a notebook holds."""
    for output in cell.get("outputs", []):
        if "parts" in output:
            parts = output["parts"]
            if len(parts) > 1:
                parts[:] = ["".join(parts)]
            output["text"] = parts[0]


def plain(cell: dict[str, Any]) -> dict[str, Any]:
    """Return a cell as it is saved: joined, without the parts kept for speed."""
    if cell.get("cell_type") != "code" or not any("parts" in o for o in cell.get("outputs", [])):
        return cell
    joined(cell)
    return {**cell, "outputs": [{k: v for k, v in o.items() if k != "parts"} for o in cell["outputs"]]}
