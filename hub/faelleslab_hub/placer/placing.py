"""One turn of the placer: collect what ended, stop what must stop, place what waits.

The order of each collection is what makes it safe to be killed anywhere: look, read, seal, write the row, and only
then remove the container. Whatever is done twice is done in a way that the second time changes nothing.
"""

import logging
import os
import time
from collections import Counter
from dataclasses import dataclass, field

from faelleslab.errors import FaelleslabError
from faelleslab_hub.placer import collect
from faelleslab_hub.placer.runner import INSPECTION_TIMEOUT_S, Runner, RunnerUnavailable, Status, Task
from faelleslab_hub.runs import inspections, presence, queue, result, store, upload
from faelleslab_hub.runs.inspections import Answer
from faelleslab_hub.runs.models import Inspection, Run
from faelleslab_hub.runs.states import MESSAGES, Reason
from faelleslab_hub.runs.untrusted import plain
from faelleslab_hub.runs.verdict import Ended, Verdict, judge
from faelleslab_hub.settings import Settings
from faelleslab_hub.tenants import Tenants

log = logging.getLogger("faelleslab.placer")
_INSPECTIONS_AT_ONCE = 2
# How soon to look again at a task whose end cannot be waited for, and at one that has just ended or not yet begun.
_POLL_S = 0.2
_SOON_S = 0.03


@dataclass(frozen=True)
class Patience:
    """How long the placer waits for others to do their part, in seconds.

    ``beyond_timeout`` is given to the kit to keep its own time-out, ``after_asking`` to a task asked to stop, and
    ``to_start`` to an engine that does not start one.
    """

    beyond_timeout: float = 15.0
    after_asking: float = 10.0
    to_start: float = 60.0


@dataclass
class Active:
    """A task under way as this placer sees it; all of it can be found again from the row and the runner."""

    task: Task
    run: Run
    deadline: float
    same_boot: bool = True
    # Claimed by this very placer a moment ago, so that nothing of it can be there yet.
    fresh: bool = False
    since: float = field(default_factory=time.time)
    stopping: Reason | None = None
    asked_at: float | None = None
    # A descriptor that tells of the task's end; None before it runs, after it fired, and where there is none.
    watched: int | None = None
    watchable: bool = True


class Placer:
    """Moves rows and tasks on, one `turn` at a time."""

    def __init__(
        self,
        settings: Settings,
        tenants: Tenants,
        runner: Runner,
        *,
        token: str,
        boot: str,
        slots: int | None = None,
        patience: Patience = Patience(),
    ) -> None:
        self.active: dict[str, Active] = {}
        self._settings = settings
        self._tenants = tenants
        self._runner = runner
        self._token = token
        self._boot = boot
        self._slots = slots or max(1, os.cpu_count() or 1)
        self._patience = patience
        self._served: dict[str, int] = {}
        self._more = False

    def recover(self) -> None:
        """Take over what another placer left, and remove containers that no row asks for."""
        runs, placed = queue.unfinished(self._settings)
        for run in runs:
            if store.adopt(self._settings, run, token=self._token):
                log.info("took over run %s", run.id)
                self._follow_run(run, str(run.image))
        for inspection, run in placed:
            if inspections.adopt(self._settings, inspection, token=self._token):
                self._follow_inspection(inspection, run, inspection.attempt)
        for name in self._runner.sweep(set(self.active)):
            log.info("removed leftover container %s", name)

    def turn(self, ready: frozenset[int] = frozenset()) -> None:
        """Do once all there is to do now; ``ready`` are the watched descriptors that fired."""
        now = time.time()
        for active in list(self.active.values()):
            if active.watched in ready:
                self._forget_watch(active)
            if active.watched is None or active.asked_at is not None or now >= active.deadline:
                self._look_after(active)
        self._place()

    def watched(self) -> list[int]:
        """Give the descriptors that become ready when a task ends."""
        return [active.watched for active in self.active.values() if active.watched is not None]

    def next_look_s(self) -> float:
        """Say in how many seconds something needs a look, at the latest."""
        if self._more:
            return 0.0
        now = time.time()
        waits = [60.0]
        for active in self.active.values():
            if active.watched is not None and active.asked_at is None:
                waits.append(max(0.0, active.deadline - now))
            else:
                waits.append(_POLL_S if active.watchable or active.asked_at else _SOON_S)
        return min(waits)

    # --- placing

    def _place(self) -> None:
        kinds = Counter(active.task.kind for active in self.active.values())
        waiting = queue.look(self._settings)
        self._heed(waiting.stopping)
        for run_id in waiting.requested[: max(0, _INSPECTIONS_AT_ONCE - kinds["inspection"])]:
            self._place_inspection(run_id)
        self._more = False
        if kinds["run"] < self._slots:
            running = Counter(active.run.tenant for active in self.active.values() if active.task.kind == "run")
            known = {code: since for code, since in waiting.waiting.items() if code in self._tenants.by_code}
            tenant = queue.next_tenant(known, running, self._served)
            if tenant is not None:
                self._more = waiting.n_waiting > 1
                self._served[tenant] = max(self._served.values(), default=0) + 1
                self._place_run(tenant)

    def _heed(self, stopping: list[str]) -> None:
        """Take note of running runs that someone wants stopped."""
        for active in list(self.active.values()):
            if active.task.kind == "run" and active.run.id in stopping and active.stopping is None:
                row = store.get(self._settings, active.run.id)
                if row is not None and row.stopping:
                    active.stopping = Reason(row.stopping)
                    self._look_after(active)

    def _place_inspection(self, run_id: str) -> None:
        found = queue.requested(self._settings, run_id)
        if found is None or found[1].tenant not in self._tenants.by_code:
            return
        inspection, run = found
        if inspections.place(self._settings, inspection, token=self._token):
            self._follow_inspection(inspection, run, inspection.attempt + 1, fresh=True)

    def _place_run(self, tenant: str) -> None:
        run = queue.oldest(self._settings, tenant)
        if run is None:
            return
        try:
            image, fault = self._runner.image(self._tenants.get(tenant)), None
        except FaelleslabError as error:
            image, fault = "", error
        claimed = store.claim(self._settings, run, token=self._token, boot=self._boot, image=image)
        if claimed is None:
            return
        if fault is not None:
            verdict = Verdict(Reason.INTERNAL_ERROR, plain(str(fault), 600))
            store.finish(self._settings, claimed, verdict, None, token=self._token)
            return
        log.info("run %s of %s begins", run.id, tenant)
        self._follow_run(claimed, image, fresh=True)

    def _follow_run(self, run: Run, image: str, *, fresh: bool = False) -> None:
        tenant = self._tenants.by_code.get(run.tenant)
        if tenant is None or run.started_at is None:
            verdict = Verdict(Reason.INTERNAL_ERROR, MESSAGES[Reason.INTERNAL_ERROR])
            store.finish(self._settings, run, verdict, None, token=self._token)
            return
        folder = self._settings.run_folder(run.tenant, run.id)
        task = Task("run", tenant, run.id, run.attempt, folder, run.notebook, run.timeout_s, image)
        deadline = run.started_at.timestamp() + run.timeout_s + self._patience.beyond_timeout
        stopping = Reason(run.stopping) if run.stopping else None
        self._begin(Active(task, run, deadline, same_boot=run.boot == self._boot, stopping=stopping, fresh=fresh))

    def _follow_inspection(self, inspection: Inspection, run: Run, attempt: int, *, fresh: bool = False) -> None:
        tenant = self._tenants.by_code.get(run.tenant)
        if tenant is None:
            return
        folder = self._settings.run_folder(run.tenant, run.id)
        try:
            image = self._runner.image(tenant)
        except FaelleslabError as error:
            answer = Answer("UNPLACED", plain(str(error), 600))
            inspections.answered(self._settings, run.id, answer, token=self._token)
            presence.wake(self._settings, "inspector")
            return
        task = Task("inspection", tenant, run.id, attempt, folder, run.notebook, INSPECTION_TIMEOUT_S, image)
        self._begin(Active(task, run, time.time() + INSPECTION_TIMEOUT_S, fresh=fresh))

    def _begin(self, active: Active) -> None:
        self.active[active.task.name] = active
        self._look_after(active)

    # --- looking after what runs

    def _look_after(self, active: Active) -> None:
        try:
            status: Status = "absent" if active.fresh else self._runner.look(active.task)
            active.fresh = False
            if not active.same_boot and not isinstance(status, Ended):
                self._runner.stop(active.task, force=True)
                status = Ended(lost=True)
            if status == "absent":
                status = self._start(active)
            if status == "running":
                self._mind_the_time(active)
                if active.watched is None and active.watchable:
                    active.watched = self._runner.watch(active.task)
                return
            if isinstance(status, Ended):
                self._collect(active, status)
        except RunnerUnavailable as error:
            log.warning("%s: the engine does not do as asked, trying again: %s", active.task.name, error)

    def _start(self, active: Active) -> Status:
        """Start an absent task; gives how it stands then."""
        task = active.task
        if active.stopping is not None:
            return Ended(lost=True)
        if time.time() - active.since > self._patience.to_start:
            log.error("%s could not be started", task.name)
            return Ended(exit_code=70)
        try:
            if task.kind == "run":
                upload.write(task.folder / "input" / upload.PARAMETERS, (active.run.parameters or "{}").encode())
            self._runner.start(task)
        except (FaelleslabError, OSError) as error:
            log.error("%s cannot be started: %s", task.name, error)
            return Ended(exit_code=70)
        return self._runner.look(task)

    def _mind_the_time(self, active: Active) -> None:
        now = time.time()
        if active.stopping is None and now >= active.deadline:
            active.stopping = Reason.TIMED_OUT
        if active.stopping is None:
            return
        if active.asked_at is None:
            if active.task.kind == "run":
                store.mark_stopping(self._settings, active.run.id, active.stopping)
            self._runner.stop(active.task, force=active.task.kind == "inspection")
            active.asked_at = now
        elif now - active.asked_at >= self._patience.after_asking:
            self._runner.stop(active.task, force=True)

    def _forget_watch(self, active: Active) -> None:
        if active.watched is not None:
            os.close(active.watched)
        active.watched, active.watchable = None, False

    # --- collecting

    def _collect(self, active: Active, ended: Ended) -> None:
        self._forget_watch(active)
        self._runner.settle(active.task)
        if active.task.kind == "run":
            self._collect_run(active, ended)
        else:
            self._collect_inspection(active, ended)
        self._runner.remove(active.task)
        self.active.pop(active.task.name, None)

    def _collect_run(self, active: Active, ended: Ended) -> None:
        output = active.task.folder / "output"
        found = result.read(output)
        verdict = judge(ended, found, active.stopping)
        try:
            removed = collect.seal(output)
        except OSError as error:
            # What cannot be sealed cannot be shown; and one run's files must not stop the others.
            log.error("output of run %s cannot be sealed: %s", active.run.id, error.strerror)
            verdict = Verdict(Reason.INTERNAL_ERROR, MESSAGES[Reason.INTERNAL_ERROR])
        else:
            if removed:
                log.warning("run %s left %d thing(s) that are not ordinary files", active.run.id, len(removed))
        if store.finish(self._settings, active.run, verdict, found, token=self._token):
            log.info("run %s ended: %s", active.run.id, verdict.reason or "SUCCEEDED")
        else:
            log.warning("run %s was already ended or taken over", active.run.id)

    def _collect_inspection(self, active: Active, ended: Ended) -> None:
        task = active.task
        if active.stopping is not None:
            answer = Answer("TIMED_OUT")
        elif ended.out_of_memory:
            answer = Answer("OUT_OF_MEMORY")
        elif ended.lost and task.attempt < inspections.MAX_ATTEMPTS:
            inspections.request_again(self._settings, task.run_id, token=self._token)
            self._more = True
            return
        elif ended.lost or ended.exit_code != 0:
            answer = Answer("LOST" if ended.lost else "DIED")
        else:
            text, cut = self._runner.answer(task)
            answer = Answer("ENDED", text, cut)
        inspections.answered(self._settings, task.run_id, answer, token=self._token)
        presence.wake(self._settings, "inspector")
